'use strict';
// A process that collects garbage nearly all the time, so that a capture is likely to hit a collection. Run with
// --expose-gc. Runs on Node 4 to 26.
//
//   node --expose-gc gc-storm.js [--n 100000]
//
// READY { counts: { class: instances } }; the command `turns` says how many collections were asked for.
var protocol = require('./protocol');

var N = +protocol.option('n', 100000);

class Survivor {
  constructor(i, before) { this.i = i; this.before = before; this.box = { inside: i }; }
}
var living = protocol.keep([]);
for (var i = 0; i < N; i++) living.push(new Survivor(i, living[i >> 1] || null));

var turns = 0;
function storm() {
  for (var i = 0, scrap = []; i < 2000; i++) scrap.push({ scrap: i, link: living[i] });
  global.gc();
  turns++;
  setImmediate(storm);
}

protocol.ready({ counts: { Survivor: N } }, {
  turns: function (_, reply) { reply({ turns: turns }); }
});
storm();
