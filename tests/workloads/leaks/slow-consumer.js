'use strict';
// A queue without a bound, between one who puts in three jobs and one who takes out one in the same time.
var leak = require('./leak');

var backlog = [];

function produce(i) {
  backlog.push({ job: i, payload: leak.payload(i) });
}

function consume() {
  var job = backlog.shift();
  if (job) job.payload.done = true;
}

leak.run(__filename, { accumulates: 'Array', holder: ['backlog', 'produce'], contents: 'Object' }, function (i) {
  produce(i);
  if (i % 3 === 0) consume();
}, 20000);
