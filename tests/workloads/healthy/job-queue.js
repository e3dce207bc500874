'use strict';
// A queue with a few jobs in it, workers that take them out, and a history of the last hundred.
var EventEmitter = require('events').EventEmitter;
var protocol = require('../protocol');

class Queue extends EventEmitter {
  constructor() {
    super();
    this.waiting = [];
    this.history = [];
    this.done = 0;
  }
  add(job) {
    this.waiting.push(job);
    this.emit('job');
  }
  take() {
    return this.waiting.shift();
  }
  finish(job) {
    this.done++;
    this.history.push(job.id);
    if (this.history.length > 100) this.history.shift();
  }
}

var queue = new Queue();
for (var i = 0; i < 4; i++) {
  queue.on('job', function worker() {
    var job = queue.take();
    if (job) queue.finish(job);
  });
}

var next = 0;
function work(count) {
  for (var k = 0; k < count; k++) queue.add({ id: next++, input: 'input of job ' + next });
}

work(20000);
for (i = 0; i < 50; i++) queue.waiting.push({ id: next++, input: 'waits' });
protocol.collect();
protocol.ready({ done: queue.done }, {
  more: function (argument, reply) {
    work(+argument);
    protocol.collect();
    reply({ done: queue.done });
  }
});
