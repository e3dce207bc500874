'use strict';
// Several isolates in one process: each worker thread has a population of its own. Node 12 and later.
//
//   node --expose-gc workers.js [--workers 2] [--n 300]
//
// READY { main: { class: instances }, workers: [ { class: instances } ] }
var threads = require('worker_threads');
var protocol = require('./protocol');

class MainOnly { constructor(i) { this.i = i; } }
class InWorker { constructor(i) { this.i = i; this.half = i / 2; } }

// Each worker's count differs, so that a mix-up of isolates cannot pass.
function inWorker(n, index) { return n + 1 + index; }

var living = protocol.keep([]);
if (threads.isMainThread) {
  var workers = +protocol.option('workers', 2);
  var n = +protocol.option('n', 300);
  for (var i = 0; i < n; i++) living.push(new MainOnly(i));
  var populations = [];
  var waiting = workers;
  for (var index = 0; index < workers; index++) {
    populations.push({ InWorker: inWorker(n, index) });
    new threads.Worker(__filename, { workerData: inWorker(n, index) }).on('message', function () {
      if (--waiting > 0) return;
      protocol.collect();
      protocol.ready({ main: { MainOnly: n }, workers: populations }, {});
    });
  }
} else {
  for (var k = 0; k < threads.workerData; k++) living.push(new InWorker(k));
  protocol.collect();
  threads.parentPort.postMessage('populated');
  setInterval(function idle() {}, 1 << 30);
}
