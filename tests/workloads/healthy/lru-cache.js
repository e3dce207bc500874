'use strict';
// A cache at its bound: each new entry throws out the oldest.
var protocol = require('../protocol');

class LruCache {
  constructor(max) {
    this.max = max;
    this.entries = new Map();
  }
  get(key, make) {
    var value = this.entries.get(key);
    if (value !== undefined) this.entries.delete(key);
    else value = make(key);
    this.entries.set(key, value);
    if (this.entries.size > this.max) this.entries.delete(this.entries.keys().next().value);
    return value;
  }
}

var pages = new LruCache(500);

function render(key) {
  return { key: key, html: '<p>' + key + '</p>', parts: [key, 1, 2, 3] };
}

var next = 0;
function serve(count) {
  for (var i = 0; i < count; i++) pages.get('page-' + next++, render);
}

serve(20000);
protocol.collect();
protocol.ready({ max: 500 }, {
  more: function (argument, reply) {
    serve(+argument);
    protocol.collect();
    reply({ size: pages.entries.size });
  }
});
