'use strict';
// A pool of objects that are used again, all of them lent at times.
var protocol = require('../protocol');

class Particle {
  constructor() {
    this.position = [0, 0];
  }
}

class Pool {
  constructor() {
    this.free = [];
  }
  take() { return this.free.pop() || new Particle(); }
  give(particle) { this.free.push(particle); }
}

var pool = new Pool();
var lent = [];

function work(count) {
  for (var i = 0; i < count; i++) {
    lent.push(pool.take());
    if (lent.length === 8000) lent.splice(0).forEach(function (particle) { pool.give(particle); });
  }
}

work(30000);
protocol.collect();
protocol.ready({}, {
  more: function (argument, reply) {
    work(+argument);
    protocol.collect();
    reply({ lent: lent.length });
  }
});
