'use strict';
// Buffers whose contents were transferred away, and which are kept all the same. On Node 12 and later.
var MessageChannel = require('worker_threads').MessageChannel;
var leak = require('./leak');

var channel = new MessageChannel();
var sent = [];

function send(i) {
  var buffer = new ArrayBuffer(64 + i % 8);
  channel.port1.postMessage(null, [buffer]);
  sent.push({ at: i, view: buffer });
}
channel.port2.on('message', function ignore() {});
channel.port2.unref();

leak.run(__filename, { accumulates: 'Array', holder: ['sent', 'send'], contents: 'ArrayBuffer' }, send, 30000);
