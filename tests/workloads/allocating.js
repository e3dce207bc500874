'use strict';
// A stable population in a heap under random allocation load: whatever moment a capture hits, these classes have
// exactly these counts. Runs on Node 4 to 26.
//
//   node allocating.js [--n 2000] [--seed 1]
//
// READY { counts: { class: instances } }; the command `turns` says how often the load ran.
var protocol = require('./protocol');

var N = +protocol.option('n', 2000);
var seed = +protocol.option('seed', 1);

// A small generator of our own (xorshift32), so that a failing seed can be run again.
function random(below) {
  seed ^= seed << 13; seed ^= seed >>> 17; seed ^= seed << 5;
  return (seed >>> 0) % below;
}

class Steady {
  constructor(i) { this.id = i; this.ratio = i + 0.5; this.name = 'steady ' + i; }
}
class Steadier extends Steady {
  constructor(i) { super(i); this.tags = ['tag', i]; }
}
function Relic(i) { this.relic = i; delete this.relic; this['relic ' + (i % 50)] = i; }

var living = protocol.keep([]);
for (var i = 0; i < N; i++) living.push(new Steady(i));
for (i = 0; i < N / 2; i++) living.push(new Steadier(i));
for (i = 0; i < N / 4; i++) living.push(new Relic(i));

class Passing { constructor(i, before) { this.i = i; this.before = before; this.text = 'passing ' + i; } }
var recent = [];
var turns = 0;

function allocate() {
  for (var i = 0, turn = 500 + random(4000); i < turn; i++) {
    var slot = random(20000);
    switch (random(8)) {
      case 0: recent[slot] = new Passing(i, recent[random(20000)] instanceof Passing ? null : slot); break;
      case 1: recent[slot] = { literal: i, half: i / 2 }; break;
      case 2: recent[slot] = new Array(random(60)).join('grow '); break;
      case 3: recent[slot] = new Map([[i, slot], ['key ' + i, {}]]); break;
      case 4: recent[slot] = (function (hidden) { return function closure() { return hidden; }; })(i); break;
      case 5: recent[slot] = new Float64Array(random(40)); break;
      case 6: recent[slot] = [i, i + 0.5, 'element ' + i]; break;
      default: recent[slot] = 'cut ' + String(recent[random(20000)]).slice(0, 30); break;
    }
  }
  // Now and then an object of its own page, and a young generation that is suddenly dead.
  if (random(50) === 0) recent[random(20000)] = new Array(50000 + random(100000)).fill(turns);
  if (random(200) === 0) recent = [];
  turns++;
  setImmediate(allocate);
}

protocol.ready({ counts: { Steady: N, Steadier: N / 2, Relic: N / 4 } }, {
  turns: function (_, reply) { reply({ turns: turns }); }
});
allocate();
