'use strict';
// Stands still in the middle of calls, after it has told where it is by V8's own account. Node 4 and later.
//
//   node --allow-natives-syntax stacks.js [--mode plain|optimized|maglev|deep|overflow|loop|signal|inspector]
//
// READY { stack: [{ name, file, line, column }] }: the callers of `block`, innermost first, as `new Error().stack` has them, or, with
// --mode inspector, the debugger's `callFrames`. `block` then reads from standard input; with --mode loop, it computes for ever.
// With --mode signal, all of it happens in a handler of SIGUSR2, which the program sends to itself.
var fs = require('fs');
var protocol = require('./protocol');

var mode = protocol.option('mode', 'plain');
Error.stackTraceLimit = Infinity;

function natives(f, code) {
  try {
    new Function('f', code)(f);
  } catch (error) {
    // A function that this V8 does not have.
  }
}

function callers() {
  var prepare = Error.prepareStackTrace;
  Error.prepareStackTrace = function (error, sites) {
    return sites.map(function (site) {
      return {
        name: site.getFunctionName(),
        file: site.getFileName() || null,
        line: site.getLineNumber(),
        column: site.getColumnNumber()
      };
    });
  };
  var stack = new Error().stack;
  Error.prepareStackTrace = prepare;
  return stack;
}

var state = { armed: 0 };
function block(value) {
  if (state.armed === 0) return value;
  if (mode === 'inspector') {
    var session = debug();
    debugger; // eslint-disable-line no-debugger
    session.disconnect();
    return value;
  }
  // Without this function and `callers`.
  protocol.say('READY', { pid: process.pid, stack: callers().slice(2) });
  if (mode === 'loop') spin();
  try {
    fs.readSync(0, Buffer.alloc ? Buffer.alloc(1) : new Buffer(1), 0, 1, null);
  } catch (error) {
    // Standard input need not be readable.
  }
  return value;
}

// Has the debugger tell where the program is as soon as it stops, and stands still there.
function debug() {
  var inspector = require('inspector');
  var urls = {};
  var session = new inspector.Session();
  session.connect();
  session.on('Debugger.scriptParsed', function (message) { urls[message.params.scriptId] = message.params.url; });
  session.on('Debugger.paused', function onPaused(message) {
    var frames = message.params.callFrames.slice(1).map(function (frame) {
      var url = urls[frame.location.scriptId] || null;
      return {
        name: frame.functionName,
        file: url && url.indexOf('file://') === 0 ? decodeURI(url.slice(7)) : url,
        line: frame.location.lineNumber + 1,
        column: frame.location.columnNumber + 1
      };
    });
    protocol.say('READY', { pid: process.pid, stack: frames });
    try {
      fs.readSync(0, Buffer.alloc(1), 0, 1, null);
    } catch (error) {
      // Standard input need not be readable.
    }
  });
  session.post('Debugger.enable');
  return session;
}

function spin() {
  for (var i = 0; ; i = (i * 31 + 7) % 1000003) state.spun = i;
}

function Account(name) { this.name = name; this.n = 1; }
Account.prototype.add = function add(amount, currency) {
  return block(amount) + this.n;
};
function transfer(account, amount) {
  return account.add(amount, 'EUR') + 1;
}
function hot(account, amount) {
  var sum = 0;
  for (var i = 0; i < 2; i++) sum += transfer(account, amount + i);
  return sum;
}
class Base {
  constructor(account) { this.total = hot(account, 5); }
}
class Derived extends Base {
  constructor(account) { super(account); this.derived = true; }
}
function recurse(depth, account) {
  return depth === 0 ? new Derived(account).total : recurse(depth - 1, account) + 1;
}
function bottomless(account) {
  try {
    return bottomless(account) + 1;
  } catch (error) {
    return state.caught ? 0 : (state.caught = true, new Derived(account).total);
  }
}
function outermost(account, depth) {
  return [depth].map(function each(depth) { return recurse(depth, account); })[0];
}

var account = new Account('savings');
natives(block, '%NeverOptimizeFunction(f)');
if (mode === 'optimized' || mode === 'maglev') {
  natives(hot, '%PrepareFunctionForOptimization(f)');
  for (var i = 0; i < 20; i++) outermost(account, 0);
  natives(hot, mode === 'maglev' ? '%OptimizeMaglevOnNextCall(f)' : '%OptimizeFunctionOnNextCall(f)');
  outermost(account, 0);
}
function start() {
  state.armed = 1;
  if (mode === 'overflow') bottomless(account);
  outermost(account, mode === 'deep' ? 10000 : 2);
}
setTimeout(function onTimer() {
  if (mode !== 'signal') return start();
  process.on('SIGUSR2', function onSignal() { start(); });
  process.kill(process.pid, 'SIGUSR2');
  setTimeout(start, 100000);
}, 1);
