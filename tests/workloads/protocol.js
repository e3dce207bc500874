'use strict';
// How a workload and the test that drives it talk, on every Node from 4 to 26.
//
//   stdout   READY {json}        once, when everything that the test counts exists
//            REPLY {json}        one for each command
//   stdin    one command a line; at its end the workload exits, so that it never outlives its test
//
// A workload calls `ready(truth, commands)`, where `commands` maps a word to `function (argument, reply)`. All can be told
// `snapshot FILE`, which has V8 write a heap snapshot.
var fs = require('fs');

// The value of `--name VALUE` on the command line, or `fallback`.
exports.option = function option(name, fallback) {
  var at = process.argv.indexOf('--' + name);
  return at < 0 ? fallback : process.argv[at + 1];
};

// Keeps a value alive for good: what no closure mentions is garbage as soon as its module has run.
var kept = [];
exports.keep = function keep(value) {
  kept.push(value);
  return value;
};

// A full collection, where Node runs with --expose-gc: what is counted afterwards is alive.
exports.collect = function collect() {
  if (!global.gc) return;
  // The first finds the garbage, the second finishes sweeping and clears what only weak references held.
  global.gc();
  global.gc();
};

exports.say = say;
function say(word, value) {
  var text = word + ' ' + JSON.stringify(value) + '\n';
  // Buffer.from is Uint8Array's before Node 5.10, where Buffer.alloc does not exist either.
  var line = Buffer.alloc ? Buffer.from(text) : new Buffer(text);
  // Synchronous and complete: a truth of many megabytes must not be cut, nor stay in the heap as a queued chunk.
  for (var done = 0; done < line.length;) {
    try {
      done += fs.writeSync(1, line, done, line.length - done);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

// What every workload can be told.
var common = {
  snapshot: function (file, reply) {
    exports.collect();
    require('v8').writeHeapSnapshot(file);
    reply({});
  }
};

exports.ready = function ready(truth, commands) {
  var pending = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', function (text) {
    var lines = (pending + text).split('\n');
    pending = lines.pop();
    lines.forEach(function (line) {
      var word = line.split(' ', 1)[0];
      (commands[word] || common[word])(line.slice(word.length + 1), function (value) { say('REPLY', value); });
    });
  });
  process.stdin.on('end', function () { process.exit(0); });

  truth.pid = process.pid;
  truth.node = process.version;
  truth.v8 = process.versions.v8;
  say('READY', truth);
};

// Measures how long the event loop stood still: the longest time between two turns of a 1 ms timer.
exports.gapRecorder = function gapRecorder() {
  var last = process.hrtime();
  var longest = 0;
  setInterval(function turn() {
    var gap = process.hrtime(last);
    last = process.hrtime();
    longest = Math.max(longest, gap[0] * 1e3 + gap[1] / 1e6);
  }, 1);
  // The longest gap in milliseconds since the last call.
  return function longestGap() {
    var result = longest;
    longest = 0;
    last = process.hrtime();
    return result;
  };
};
