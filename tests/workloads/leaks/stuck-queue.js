'use strict';
// Tasks that wait for a place which no failed task ever gave back.
var leak = require('./leak');

class Limiter {
  constructor(places) {
    this.free = places;
    this.waiting = [];
  }
  run(task) {
    this.waiting.push({ task: task });
    this.next();
  }
  next() {
    if (this.free === 0) return;
    this.free--;
    var limiter = this;
    this.waiting.shift().task().then(function () { limiter.free++; });
  }
}

var limiter = new Limiter(4);

function upload(i) {
  var file = leak.payload(i);
  limiter.run(function send() { return i < 4 ? new Promise(function () {}) : Promise.resolve(file); });
}

leak.run(__filename, { accumulates: 'Array', holder: ['Limiter', 'run'], contents: 'Object' }, upload, 10000);
