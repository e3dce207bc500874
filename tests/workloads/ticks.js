'use strict';
// Has asked for much to run next, and does not return: the queues of `process.nextTick` and of V8's microtasks are full.
//
//   node ticks.js [--in tick|microtask]
//
// It stands in the script or in a callback given to `process.nextTick` or in a microtask, when some of them have run. It does nothing there
// until standard input ends.
//
// READY { ticks, microtasks }, in the order of execution: `ticks` has what that queue holds, as { name, line, arguments, count }, with a count for equal
// ones in a row; `microtasks` has of each what runs first, as { kind, task, name, line }: which kind of step, what V8 calls the task, and
// of an async function the line of its `await`.
var fs = require('fs');
var protocol = require('./protocol');
var major = +process.versions.node.split('.')[0];

function first() {}
function second() {}
function third() {}
function many() {}
function onFulfilled() {}
function onRejected() {}
function queued() {}
var object = { method: function method() {} };
var thenable = { then: function then() {} };

var lines = {};
function readLines(file) {
  fs.readFileSync(file, 'utf8').split('\n').forEach(function (text, index) {
    var wait = /; \/\/ AWAIT (\w+)$/.exec(text);
    if (wait) lines[wait[1]] = index + 1;
    var found = /function (\w+)\(/.exec(text);
    if (found && !lines[found[1]]) lines[found[1]] = index + 1;
  });
}
readLines(__filename);

var ticks = [];
function tick(callback, name) {
  process.nextTick.apply(process, [callback].concat([].slice.call(arguments, 2)));
  var like = { name: name, line: lines[name], arguments: arguments.length - 2, count: 1 };
  var last = ticks[ticks.length - 1];
  if (last && last.name === like.name && last.arguments === like.arguments) last.count++;
  else ticks.push(like);
}

function fillTicks() {
  tick(first, 'first');
  tick(second, 'second', 1, 'two');
  tick(first, 'first');
  tick(third, 'third', 1, 2, 3, 4, 5, 6);
  tick(object.method.bind(object, 'an argument'), 'method', 1);
  // More than one buffer of the queue has room for.
  for (var i = 0; i < 5000; i++) tick(many, 'many', i);
  tick(first, 'first', null);
}

var microtasks = [];
function microtask(kind, task, name) { microtasks.push({ kind: kind, task: task, name: name, line: lines[name] }); }

function fillMicrotasks() {
  // Up to Node.js 7 promises are written in JavaScript, and all microtasks are functions.
  var isOld = major < 8;
  var settled = Promise.resolve(1);
  settled.then(onFulfilled);
  microtask(isOld ? 'call' : 'then', isOld ? 'callable' : 'reaction', 'onFulfilled');
  // Up to Node.js 8 this adds a tick of Node.js' own, too.
  Promise.reject(new Error('expected')).catch(onRejected);
  microtask(isOld ? 'call' : 'then', isOld ? 'callable' : 'reaction', 'onRejected');
  // Node.js 4 calls `then` at once.
  if (major >= 6) {
    Promise.resolve(thenable);
    microtask('call', major < 7 ? 'callable' : 'thenable', 'then');
  }
  if (major >= 8) {
    readLines(require.resolve('./ticks-async'));
    require('./ticks-async').wait();
    microtask('await', 'reaction', 'waiter');
  }
  if (typeof queueMicrotask === 'function') {
    queueMicrotask(queued);
    microtask('call', 'callable', 'queued');
  }
  // Each by itself: the other kinds lie between them.
  settled.then(onFulfilled);
  microtask(isOld ? 'call' : 'then', isOld ? 'callable' : 'reaction', 'onFulfilled');
}

function block() {
  protocol.say('READY', { ticks: ticks, microtasks: microtasks });
  var byte = Buffer.alloc ? Buffer.alloc(1) : new Buffer(1);
  while (fs.readSync(0, byte, 0, 1) > 0);
  process.exit(0);
}

var place = protocol.option('in', 'script');
if (place === 'tick') {
  // Those before and the one that runs are not in the queue any more.
  tick(first, 'first');
  tick(second, 'second', 1);
  process.nextTick(function inTick() {
    fillTicks();
    fillMicrotasks();
    block();
  });
  ticks = [];
  tick(third, 'third');
} else if (place === 'microtask') {
  Promise.resolve().then(function before() {});
  Promise.resolve().then(function inMicrotask() {
    fillTicks();
    fillMicrotasks();
    block();
  });
} else {
  fillTicks();
  fillMicrotasks();
  block();
}
