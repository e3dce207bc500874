'use strict';
// Measurements in a private field, which nobody reads. Needs Node 12 or later.
var leak = require('./leak');

class Metrics {
  #series = [];
  observe(measurement) { this.#series.push(measurement); }
  get size() { return this.#series.length; }
}

var metrics = new Metrics();

leak.run(__filename, { accumulates: 'Array', holder: ['#series', 'observe'], contents: 'Object' },
  function measure(i) { metrics.observe(leak.payload(i)); }, 20000);
