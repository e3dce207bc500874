'use strict';
// Two strings with the same characters, each longer than what is packed at a time. Runs on Node 4 to 26.
//
// READY { length }
var protocol = require('./protocol');

var LENGTH = 9 * 1024 * 1024;

// xorshift32: two bits of it in each character, so that nothing but a copy makes it small.
var bytes = Buffer.alloc ? Buffer.alloc(LENGTH) : new Buffer(LENGTH);
var state = 2463534242;
for (var i = 0; i < LENGTH; i++) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  bytes[i] = 97 + (state & 3);
}
// Flat and within the heap, made of many: what `toString` makes of so much lies outside.
var texts = [];
for (i = 0; i < 2; i++) {
  var text = '';
  for (var at = 0; at < LENGTH; at += 65536) text += bytes.slice(at, at + 65536).toString('ascii');
  /flatten it/.test(text);
  texts.push(text);
}
bytes = null;
protocol.keep(texts);
protocol.collect();
protocol.ready({ length: LENGTH }, {});
