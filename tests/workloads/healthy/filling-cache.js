'use strict';
// A cache that has not reached its bound: nothing was thrown out yet, and would be.
var protocol = require('../protocol');

class Cache {
  constructor(max) {
    this.max = max;
    this.entries = new Map();
  }
  get(key) {
    return this.entries.get(key);
  }
  put(key, value) {
    if (this.entries.size >= this.max) this.entries.delete(this.entries.keys().next().value);
    this.entries.set(key, value);
  }
}

var cache = new Cache(10000);

function page(i) {
  var key = 'page-' + i % 9400;
  if (!cache.get(key)) cache.put(key, { key: key, html: '<p>' + key + '</p>', parts: [key, i, 2, 3] });
}

function work(count) {
  for (var i = 0; i < count; i++) page(i);
}

work(40000);
protocol.collect();
protocol.ready({ max: 10000 }, {
  more: function (argument, reply) {
    work(+argument);
    protocol.collect();
    reply({ size: cache.entries.size });
  }
});
