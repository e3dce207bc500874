'use strict';
// An interval appends what it measures to an array that only its closure knows.
var leak = require('./leak');

function startSampling() {
  var samples = [];
  var next = 0;
  function sample() {
    samples.push(leak.payload(next++));
  }
  setInterval(sample, 1 << 28);
  return sample;
}

leak.run(__filename, { accumulates: 'Array', holder: ['samples', 'sample', 'startSampling'], contents: 'Object' }, startSampling(), 30000);
