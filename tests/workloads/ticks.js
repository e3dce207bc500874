'use strict';
// Has asked for much to run next, and does not return: the queue of `process.nextTick` is full.
//
//   node ticks.js [--in tick]
//
// It stands in the script or, with `--in tick`, in a callback given to `process.nextTick`, when some of them have run. It does nothing there
// until standard input ends.
//
// READY { ticks, block }, in the order of execution: `ticks` has what that queue holds, as { name, line, arguments, count }, with a count for equal ones
// in a row; `block` has the line at which the program stands.
var fs = require('fs');
var protocol = require('./protocol');

function first() {}
function second() {}
function third() {}
function many() {}
var object = { method: function method() {} };

var lines = {};
fs.readFileSync(__filename, 'utf8').split('\n').forEach(function (text, index) {
  var found = /function (\w+)\(/.exec(text);
  if (found && !lines[found[1]]) lines[found[1]] = index + 1;
});

var ticks = [];
function tick(callback, name) {
  process.nextTick.apply(process, [callback].concat([].slice.call(arguments, 2)));
  var like = { name: name, line: lines[name], arguments: arguments.length - 2, count: 1 };
  var last = ticks[ticks.length - 1];
  if (last && last.name === like.name && last.arguments === like.arguments) last.count++;
  else ticks.push(like);
}

function fill() {
  tick(first, 'first');
  tick(second, 'second', 1, 'two');
  tick(first, 'first');
  tick(third, 'third', 1, 2, 3, 4, 5, 6);
  tick(object.method.bind(object, 'an argument'), 'method', 1);
  // More than one buffer of the queue has room for.
  for (var i = 0; i < 5000; i++) tick(many, 'many', i);
  tick(first, 'first', null);
}

function block() {
  protocol.say('READY', { ticks: ticks, block: lines.block });
  var byte = Buffer.alloc ? Buffer.alloc(1) : new Buffer(1);
  while (fs.readSync(0, byte, 0, 1) > 0);
  process.exit(0);
}

if (protocol.option('in', 'script') === 'tick') {
  // Those before and the one that runs are not in the queue any more.
  tick(first, 'first');
  tick(second, 'second', 1);
  process.nextTick(function inTick() { fill(); block(); });
  ticks = [];
  tick(third, 'third');
} else {
  fill();
  block();
}
