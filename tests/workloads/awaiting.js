'use strict';
// Waits: async functions stand at their `await`s, for promises that nothing settles, for timers, for each other. Node 8 and later.
//
//   node awaiting.js
//
// READY { lines, awaits, errors }: `lines` has the line of each `await`, by the name of its function; `errors` has what V8 itself
// says of a chain of the same functions: the frames of `new Error().stack` that are `at async`, as { name, line, column }.
var fs = require('fs');
var protocol = require('./protocol');
Error.stackTraceLimit = Infinity;

async function leaf(gate) {
  await gate; // AWAIT leaf
  return new Error('here').stack;
}
async function middle(gate) {
  var before = '';
  var stack = await leaf(gate); // AWAIT middle
  return before + stack;
}
async function outer(gate) {
  try {
    return await middle(gate); // AWAIT outer
  } finally {
    protocol.kept = gate;
  }
}
class Store {
  async load(gate) {
    this.stack = await outer(gate); // AWAIT load
    return this.stack;
  }
}
function onLoaded(stack) { return stack; }

async function each(gates) {
  return await Promise.all(gates.map(leaf)); // AWAIT each
}
function sleep(ms) {
  return new Promise(function start(resolve) { setTimeout(resolve, ms); });
}
function sleepLonger(ms) {
  return new Promise(function start(resolve) { setTimeout(function wake() { resolve(ms); }, ms); });
}
async function sleeper() {
  await sleep(600000); // AWAIT sleeper
}
async function longSleeper() {
  await sleepLonger(700000); // AWAIT longSleeper
}

// Who waits for a promise that nothing holds is garbage.
function never() { return protocol.keep(new Promise(function () {})); }

var lines = {};
[__filename].concat(+process.versions.node.split('.')[0] >= 10 ? require.resolve('./awaiting-generators') : []).forEach(function (file) {
  fs.readFileSync(file, 'utf8').split('\n').forEach(function (text, index) {
    var found = /; \/\/ AWAIT (\w+)$/.exec(text) || /\{ \/\/ AWAIT (\w+)$/.exec(text);
    if (found) lines[found[1]] = index + 1;
  });
});

new Store().load(Promise.resolve()).then(function tell(stack) {
  var errors = [];
  stack.split('\n').forEach(function (line) {
    var found = /^ +at async (\S+) \(.*:(\d+):(\d+)\)$/.exec(line);
    if (found) errors.push({ name: found[1], line: +found[2], column: +found[3] });
  });
  protocol.keep({ stores: [1, 2, 3].map(function () { return new Store().load(never()).then(onLoaded); }) });
  protocol.keep({ each: each([never(), never()]) });
  sleeper();
  longSleeper();
  if (+process.versions.node.split('.')[0] >= 10) require('./awaiting-generators').start(never());
  // When what awaits what is settled.
  setTimeout(function () { protocol.ready({ lines: lines, errors: errors }, {}); }, 50);
});
setInterval(function tick() {}, 500000);
