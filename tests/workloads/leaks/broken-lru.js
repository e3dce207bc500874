'use strict';
// A cache with a bound that is never reached, because nobody counts.
var leak = require('./leak');

class LruCache {
  constructor(limit) {
    this.limit = limit;
    this.count = 0;
    this.entries = new Map();
  }
  put(key, value) {
    this.entries.set(key, value);
    if (this.count > this.limit) {
      this.entries.delete(this.entries.keys().next().value);
      this.count--;
    }
  }
}

var thumbnails = new LruCache(100);

function render(i) {
  thumbnails.put('image-' + i, leak.payload(i));
}

leak.run(__filename, { accumulates: 'Map', holder: ['entries', 'put'], contents: 'Object' }, render, 20000);
