'use strict';
// The states in which a process can be when it is captured, and what it sees of the capture.
// Runs on Node 8 to 26.
//
//   node blocked.js
//
// READY {}; `STATE MS` is entered for MS milliseconds and answers { result, elapsedMs }, where `result` is what the program saw:
//   timer      the event loop waits in epoll
//   read       a synchronous read from a pipe into which nobody writes yet
//   wait       Atomics.wait with a time limit, on the main thread
//   notified   Atomics.wait without one, until a worker notifies
//   child      spawnSync, which waits in an event loop of its own
//   loop       a tight loop in JavaScript
//   wasm       a tight loop in WebAssembly
// `signals` answers how many SIGUSR2 have been handled, and how often a 1 ms timer has fired.
var childProcess = require('child_process');
var fs = require('fs');
var os = require('os');
var path = require('path');
var protocol = require('./protocol');

var heap = [];
for (var i = 0; i < 50000; i++) heap.push({ number: i, text: 'text ' + i });
protocol.keep(heap);

var signals = 0;
var ticks = 0;
process.on('SIGUSR2', function () { signals++; });
setInterval(function () { ticks++; }, 1);

// (func (export "f") (param i32) (result i32)): counts the parameter down to 0 and returns it.
var COUNTDOWN = [
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0,
  0x0a, 0x12, 1, 0x10, 0, 3, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 0, 0x0b
];

function elapsed(since) {
  var time = process.hrtime(since);
  return time[0] * 1e3 + time[1] / 1e6;
}

function cell() {
  return new Int32Array(new SharedArrayBuffer(4));
}

var states = {
  timer: function (ms, done) { setTimeout(done, ms, 'fired'); },

  read: function (ms, done) {
    var fifo = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'blocked-')), 'fifo');
    childProcess.spawnSync('mkfifo', [fifo]);
    var script = 'exec 3>"$0"; sleep "$1"; echo said >&3';
    childProcess.spawn('sh', ['-c', script, fifo, String(ms / 1e3)]);
    var fd = fs.openSync(fifo, 'r');
    var buffer = Buffer.alloc(16);
    var text = buffer.toString('utf8', 0, fs.readSync(fd, buffer, 0, 16, null));
    fs.closeSync(fd);
    fs.unlinkSync(fifo);
    fs.rmdirSync(path.dirname(fifo));
    done(text.trim());
  },

  wait: function (ms, done) { done(Atomics.wait(cell(), 0, 0, ms)); },

  notified: function (ms, done) {
    var shared = cell();
    var script = 'var data = require("worker_threads").workerData;' +
      'setTimeout(function () { Atomics.store(data.cell, 0, 1); Atomics.notify(data.cell, 0); }, data.ms);';
    new (require('worker_threads').Worker)(script, { eval: true, workerData: { cell: shared, ms: ms } });
    done(Atomics.wait(shared, 0, 0));
  },

  child: function (ms, done) {
    var result = childProcess.spawnSync('sleep', [String(ms / 1e3)]);
    done('status ' + result.status + ', signal ' + result.signal);
  },

  loop: function (ms, done) {
    var began = process.hrtime();
    var sum = 0;
    for (var n = 0; elapsed(began) < ms; n++) for (var k = 0; k < 1e5; k++) sum = (sum + k * n) | 0;
    done(typeof sum);
  },

  wasm: function (ms, done) {
    var module = new WebAssembly.Module(new Uint8Array(COUNTDOWN));
    var countdown = new WebAssembly.Instance(module).exports.f;
    var began = process.hrtime();
    var wrong = 0;
    while (elapsed(began) < ms) wrong += countdown(50000000);
    done('wrong ' + wrong);
  }
};

var commands = {
  signals: function (_, reply) { reply({ signals: signals, ticks: ticks }); }
};
Object.keys(states).forEach(function (name) {
  commands[name] = function (ms, reply) {
    var began = process.hrtime();
    states[name](+ms, function (result) { reply({ result: result, elapsedMs: elapsed(began) }); });
  };
});
protocol.ready({}, commands);
