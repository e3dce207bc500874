'use strict';
// Collects garbage all the time: a large heap again and again, called for by the program. Needs --expose-gc.
//
// READY {}
var protocol = require('./protocol');

var heap = protocol.keep([]);
for (var i = 0; i < 400000; i++) heap.push({ number: i, text: 'text ' + i, list: [i, { more: i }] });
function collect() {
  global.gc();
}
function onTimer() {
  for (var i = 0; i < 20; i++) collect();
  setImmediate(onTimer);
}
protocol.ready({}, {});
setTimeout(onTimer, 1);
