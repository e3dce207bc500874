'use strict';
// Worker threads that come and go without rest, each with a heap of its own. Node 12 and later.
//
//   node [--expose-gc] churn.js [--every 250]
//
// READY {}; the command `started` says how many workers there were.
var threads = require('worker_threads');
var protocol = require('./protocol');

if (threads.isMainThread) {
  var started = 0;
  var every = +protocol.option('every', 250);
  var start = function () {
    started++;
    new threads.Worker(__filename).on('error', function (error) { throw error; });
  };
  start();
  setInterval(start, every);
  protocol.ready({}, { started: function (_, reply) { reply({ started: started }); } });
} else {
  var heap = [];
  for (var i = 0; i < 40000; i++) heap.push({ i: i, text: 'object ' + i, more: [i, i + 0.5] });
  setTimeout(function () { heap = null; }, 20);
}
