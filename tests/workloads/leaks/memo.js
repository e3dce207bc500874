'use strict';
// A memoized function whose arguments are all different.
var leak = require('./leak');

function memoize(compute) {
  var memo = Object.create(null);
  return function memoized(key) {
    if (!(key in memo)) memo[key] = compute(key);
    return memo[key];
  };
}

var square = memoize(function square(key) {
  return leak.payload(key.length);
});

function ask(i) {
  square('how much is the square of ' + i);
}

leak.run(__filename, { accumulates: 'Object', holder: ['memo', 'memoized', 'memoize'], contents: 'Object' }, ask, 30000);
