'use strict';
// Memory that is mapped and unmapped without rest: arrays so large that V8 maps each for itself, and buffers, of which a few live at
// a time. Run with --expose-gc: only a collection gives them back.
//
//   node --expose-gc unmapping.js
//
// READY {}; the command `unmapped` says how many turns were taken, each of which unmaps what the one before has mapped.
var protocol = require('./protocol');

var living = protocol.keep([]);
for (var i = 0; i < 30000; i++) living.push({ number: i, text: 'object ' + i });

var turns = 0;
var held = [];
function turn() {
  held = [];
  for (var i = 0; i < 6; i++) {
    var large = new Array(50000 + 10000 * i);
    for (var k = 0; k < large.length; k += 100) large[k] = living[(k + turns) % living.length];
    held.push(large, Buffer.alloc(300000 + 4096 * i, turns & 255));
  }
  living[turns % living.length] = { number: turns, text: 'object ' + turns };
  if (turns++ % 2 === 0) global.gc();
  setTimeout(turn, 3);
}

protocol.ready({}, {
  unmapped: function (_, reply) { reply({ unmapped: turns }); }
});
turn();
