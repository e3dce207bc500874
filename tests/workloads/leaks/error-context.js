'use strict';
// Errors are collected for a report that is never sent, and each holds its request.
var leak = require('./leak');

class RequestError extends Error {
  constructor(request) {
    super('request ' + request.id + ' failed');
    this.request = request;
  }
}

class Reporter {
  constructor() {
    this.unsent = [];
  }
  report(error) {
    this.unsent.push(error);
  }
}

var reporter = new Reporter();

function fail(i) {
  reporter.report(new RequestError(leak.payload(i)));
}

leak.run(__filename, { accumulates: 'Array', holder: ['reporter', 'Reporter', 'unsent'], contents: 'RequestError' }, fail, 10000);
