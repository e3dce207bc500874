'use strict';
// Jobs that wait for each other in one chain, whose first never ends.
var leak = require('./leak');

var tail = new Promise(function (resolve) { exports.open = resolve; });

function enqueue(i) {
  var job = leak.payload(i);
  tail = tail.then(function run() { return job.id; });
}

leak.run(__filename, { accumulates: 'Promise', holder: ['tail', 'enqueue'], contents: 'Promise' }, enqueue, 15000);
