'use strict';
// A worker keeps every message that it is sent. On Node 12 and later.
var threads = require('worker_threads');
var leak = require('./leak');

if (threads.isMainThread) {
  var worker = new threads.Worker(__filename);
  worker.once('online', function () {
    leak.run(__filename, { accumulates: 'Array', holder: ['inbox', 'onMessage'], contents: 'Object' }, function send(i) {
      worker.postMessage(leak.payload(i));
    }, 30000);
  });
} else {
  var inbox = [];
  threads.parentPort.on('message', function onMessage(message) {
    inbox.push(message);
  });
}
