'use strict';
// A recorder that could be reset, and never is.
var leak = require('./leak');

class Recorder {
  constructor() {
    this.events = [];
  }
  record(kind, data) {
    this.events.push({ kind: kind, data: data });
  }
  reset() {
    this.events = [];
  }
}

var recorder = new Recorder();
process.on('SIGHUP', function () { recorder.reset(); });

leak.run(__filename, { accumulates: 'Array', holder: ['events', 'record'], contents: 'Object' }, function (i) {
  recorder.record('step', leak.payload(i));
}, 20000);
