'use strict';
// A program that keeps writing to a heap of any size, and watches itself: `cargo xtask bench pause` measures with it what a
// capture costs the captured. Runs on Node 12 to 26.
//
//   node --max-old-space-size=16384 [--expose-gc] writer.js [--mb 100] [--rate 15] [--workers 0] [--http]
//
// --mb: live heap in megabytes, about. --rate: sessions changed in each millisecond, at random all over the heap; each change
// also leaves garbage. --workers: so many worker threads do the same on heaps of their own, which share --mb with the main
// thread's. --http: also serves GET /session; the loop then turns once in a millisecond, not without rest, so that there is
// time for requests.
//
// READY { heapUsed, rss, port }; `watch` begins a period, `report` ends it: { elapsedMs, turns, longestGapMs, gaps: [[from,
// to], …] }: all times longer than 0.2 ms (2 ms with --http) in which the event loop did not turn, in milliseconds of CLOCK_MONOTONIC.
var worker = require('worker_threads');
var protocol = require('./protocol');

var WORKERS = +protocol.option('workers', 0);
var RATE = +protocol.option('rate', 15);
var MB = +protocol.option('mb', 100) / (WORKERS + 1);
var SERVES = process.argv.indexOf('--http') > 0;
// A timer of 1 ms is late by itself.
var NOTABLE_MS = SERVES ? 2 : 0.2;
// What a session takes, with its items and its place in the array.
var SESSION_BYTES = 430;

class Session {
  constructor(id) {
    this.id = id;
    this.user = 'customer ' + id;
    this.score = id + 0.5;
    this.items = [{ sku: id, tags: ['tag ' + (id % 100), id] }, { sku: -id, tags: null }];
    this.last = null;
  }
}

var sessions = [];
for (var id = 0; id < MB * 1e6 / SESSION_BYTES; id++) sessions.push(new Session(id));

// xorshift32: the same writes in every run.
var state = 2463534242;
function random(below) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

function change() {
  var session = sessions[random(sessions.length)];
  session.score += 0.25;
  session.items[random(2)] = { sku: session.id, tags: ['changed', [session.score]] };
  session.last = 'changed ' + session.score;
}

function now() {
  var time = process.hrtime();
  return time[0] * 1e3 + time[1] / 1e6;
}

var began, turns, gaps, longest;
function watch() {
  began = lastTurn = now();
  turns = longest = 0;
  gaps = [];
}
var lastTurn = now();
var lastChange = lastTurn;
watch();
function turn() {
  var time = now();
  var gap = time - lastTurn;
  if (gap > NOTABLE_MS) {
    longest = Math.max(longest, gap);
    // A program that does nothing but wait reports the longest only.
    if (gaps.length < 100000) gaps.push([lastTurn, time]);
  }
  turns++;
  // What a pause kept from being written is not made up for: that would be a burst that no program has.
  if (time - lastChange >= 1) {
    lastChange = time;
    for (var i = 0; i < RATE; i++) change();
  }
  lastTurn = SERVES ? now() : time;
  if (SERVES) setTimeout(turn, 1); else setImmediate(turn);
}

if (worker.isMainThread) {
  var ready = 0;
  var memory = function () { return process.memoryUsage(); };
  var start = function (port) {
    protocol.collect();
    turn();
    protocol.ready({ heapUsed: memory().heapUsed, rss: memory().rss, port: port }, {
      watch: function (_, reply) { watch(); reply({}); },
      report: function (_, reply) {
        reply({ elapsedMs: now() - began, turns: turns, longestGapMs: longest, gaps: gaps });
        watch();
      }
    });
  };
  var serve = function () {
    if (!SERVES) return start(null);
    var server = require('http').createServer(function (request, response) {
      var text = JSON.stringify(sessions[random(sessions.length)]);
      response.setHeader('Content-Length', Buffer.byteLength(text));
      response.end(text);
    });
    server.keepAliveTimeout = 0;
    server.listen(0, '127.0.0.1', function () { start(server.address().port); });
  };
  for (var i = 0; i < WORKERS; i++) {
    new worker.Worker(__filename, { argv: process.argv.slice(2), resourceLimits: { maxOldGenerationSizeMb: 16384 } })
      .once('message', function () { if (++ready === WORKERS) serve(); });
  }
  if (WORKERS === 0) serve();
} else {
  // Workers write at the same rate, but sleep in between: the machine may have no core for each.
  SERVES = true;
  turn();
  worker.parentPort.postMessage('ready');
}
