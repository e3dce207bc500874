'use strict';
// What the programs of this folder have in common: each leaks in one way, and says what a person should be told.
//
//   run(__filename, expected, step, n)   calls `step(i)` n times, then says READY; the command `more N` goes on.
//
// `expected` is { accumulates, holder, contents }: the class of the object that accumulates, names that the holding code goes
// by (functions, variables), and what accumulates in it. Runs on Node 12 and later unless a program says otherwise.
var protocol = require('../protocol');

// A payload that no other shares.
exports.payload = function payload(i) {
  return { id: i, text: 'payload number ' + i + ' of the leak', values: [i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7] };
};

exports.run = function run(file, expected, step, n) {
  var done = 0;
  function more(count) {
    for (var end = done + count; done < end; done++) step(done);
  }
  more(n);
  expected.file = file;
  // What was only waiting for its turn is done, and what is garbage is gone.
  setTimeout(function () {
    protocol.collect();
    protocol.ready(expected, {
      more: function (argument, reply) {
        more(+argument);
        setTimeout(function () {
          protocol.collect();
          reply({ done: done });
        }, 200);
      }
    });
  }, 300);
};
