'use strict';
// A domain holds every emitter that was made inside of it.
var domain = require('domain');
var EventEmitter = require('events').EventEmitter;
var leak = require('./leak');

class Job extends EventEmitter {
  constructor(i) {
    super();
    this.input = leak.payload(i);
  }
}

var jobs = domain.create();

function startJob(i) {
  jobs.add(new Job(i));
}

leak.run(__filename, { accumulates: 'Array', holder: ['jobs', 'Domain', 'members'], contents: 'Job' }, startJob, 20000);
