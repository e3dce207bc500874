'use strict';
// A ring of log lines that forgot to be a ring: a chain of records, each holding the one before.
var leak = require('./leak');

class LogRecord {
  constructor(message, previous) {
    this.message = message;
    this.previous = previous;
  }
}

var log = { last: null, size: 0 };

function write(i) {
  log.last = new LogRecord(leak.payload(i), log.last);
  log.size++;
}

leak.run(__filename, { accumulates: 'LogRecord', holder: ['log', 'write', 'last'], contents: 'LogRecord' }, write, 30000);
