'use strict';
// A program by whose memory one can tell whether a capture is of one instant. Pairs of arrays of doubles, each over fifty pages of the
// operating system long, are written in turn: write number n is the one numbered turn = floor(n / PAIRS) to pair n % PAIRS, and puts n
// into slot turn * STEP % SLOTS of its first array, then of its second. So at any instant each array holds the numbers of its last
// SLOTS writes, all of them, and of all arrays only the second of the newest pair may be one write behind. Beside it, garbage is made,
// so that V8 maps and unmaps memory. Runs on Node 4 to 26.
//
//   node [--expose-gc] instant.js [--pairs N]
//
// With many pairs, each write is on another page than the thousands before: pages are written to as fast as one can follow.
//
// READY { slots, step, marks: [[first, second], ...] }: the marks are the doubles in front of slot 0.
var protocol = require('./protocol');

var PAIRS = Number(protocol.option('pairs', 1));
// No more than V8 makes without a dictionary (32768), and enough to be a page of its own.
var SLOTS = 30000;
// Coprime with SLOTS, and one more than a page of doubles: each write is on another page than the one before.
var STEP = 521;

// Whole numbers survive being written down, and no write has numbers that large.
function mark(number) { return Math.pow(2, 52) + number; }

// Arrays of doubles, large from the beginning: no copies are left from growing.
function doubles(mark) {
  var array = protocol.keep(new Array(SLOTS + 1));
  array[0] = mark;
  for (var i = 1; i <= SLOTS; i++) array[i] = 0.5;
  return array;
}
var first = [], second = [], marks = [];
for (var i = 0; i < PAIRS; i++) {
  marks.push([mark(2 * i), mark(2 * i + 1)]);
  first.push(doubles(marks[i][0]));
  second.push(doubles(marks[i][1]));
}

var n = 0;
// The numbers begin with a half, so that no slot ever becomes a Smi.
function write() {
  n++;
  var pair = n % PAIRS;
  var slot = 1 + (n - pair) / PAIRS % SLOTS * STEP % SLOTS;
  first[pair][slot] = n + 0.5;
  second[pair][slot] = n + 0.5;
}
while (n < SLOTS * PAIRS) write();

var scrap = [];
function turn() {
  for (var i = 0; i < 3000; i++) write();
  scrap.push(new Array(2000 + n % 20000).join('x').split(''));
  if (scrap.length > 40) scrap = [];
  setImmediate(turn);
}

protocol.ready({ slots: SLOTS, step: STEP, marks: marks }, {});
turn();
