'use strict';
// Strings that waste memory, each in a known number. Runs on Node 4 to 26.
//
// READY { duplicates, duplicateText, sliceParent, slices, sliceLength, ropeDepth, narrow, longest }
var protocol = require('./protocol');

var COPIES = 500;
var SLICES = 7;
var SLICE_LENGTH = 20;
var DEPTH = 300;
var NARROW = 40;

// "latin1" has been its name since Node 6.4.
var LATIN1 = Buffer.isEncoding('latin1') ? 'latin1' : 'binary';

function bytesOf(text) {
  // Before Node 5.10 Buffer.from is Uint8Array's.
  return Buffer.alloc ? Buffer.from(text, LATIN1) : new Buffer(text, LATIN1);
}

// Flat characters in an object of their own: literals are internalized and share one.
function fresh(length, seed) {
  var text = '';
  for (var i = 0; i < length; i++) text += String.fromCharCode(97 + (i * 7 + seed) % 26);
  return bytesOf(text).toString(LATIN1);
}

var duplicates = [];
for (var i = 0; i < COPIES; i++) duplicates.push(fresh(64, 3));
protocol.keep(duplicates);

var parent = fresh(300000, 5);
var slices = [];
for (i = 0; i < SLICES; i++) slices.push(parent.substring(i * 1000, i * 1000 + SLICE_LENGTH));
protocol.keep(slices);

var rope = fresh(20, 11);
for (i = 0; i < DEPTH; i++) rope = rope + ('level ' + i + ' of the rope;');
protocol.keep({ rope: rope });

var narrow = [];
for (i = 0; i < NARROW; i++) {
  // Flat copies are narrow if they can be; but a slice is as wide as what it was cut from, and so is what it is part of.
  var wide = ('\u0436' + fresh(40, 1000 + i)).substring(1) + fresh(20, i);
  /flatten it/.test(wide);
  narrow.push(wide);
}
protocol.keep(narrow);

protocol.collect();
protocol.ready({
  duplicates: COPIES,
  duplicateText: duplicates[0],
  parentLength: parent.length,
  slices: SLICES,
  sliceLength: SLICE_LENGTH,
  ropeDepth: DEPTH,
  narrow: NARROW
}, {});
