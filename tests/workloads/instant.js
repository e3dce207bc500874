'use strict';
// A program by whose memory one can tell whether a capture is of one instant. Two arrays of doubles, each over fifty pages of the
// operating system long, are written in turn: write number n puts n into slot n * STEP % SLOTS of the first, then of the second. So at
// any instant each array holds the numbers of its last SLOTS writes, all of them, and the second is at most one write
// behind. Beside it, garbage is made, so that V8 maps and unmaps memory. Runs on Node 4 to 26.
//
//   node [--expose-gc] instant.js
//
// READY { slots, step, marks: [first, second] }: the marks are the doubles in front of slot 0.
var protocol = require('./protocol');

// No more than V8 makes without a dictionary (32768), and enough to be a page of its own.
var SLOTS = 30000;
// Coprime with SLOTS, and one more than a page of doubles: each write is on another page than the one before.
var STEP = 521;
// Powers of two survive every way of writing them down.
var MARKS = [Math.pow(2, 701), Math.pow(2, 702)];

// Arrays of doubles, large from the beginning: no copies are left from growing.
function doubles(mark) {
  var array = protocol.keep(new Array(SLOTS + 1));
  array[0] = mark;
  for (var i = 1; i <= SLOTS; i++) array[i] = 0.5;
  return array;
}
var first = doubles(MARKS[0]);
var second = doubles(MARKS[1]);

var n = 0;
// The numbers begin with a half, so that no slot ever becomes a Smi.
function write() {
  n++;
  var slot = 1 + n % SLOTS * STEP % SLOTS;
  first[slot] = n + 0.5;
  second[slot] = n + 0.5;
}
while (n < SLOTS) write();

var scrap = [];
function turn() {
  for (var i = 0; i < 3000; i++) write();
  scrap.push(new Array(2000 + n % 20000).join('x').split(''));
  if (scrap.length > 40) scrap = [];
  setImmediate(turn);
}

protocol.ready({ slots: SLOTS, step: STEP, marks: MARKS }, {});
turn();
