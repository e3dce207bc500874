'use strict';
// A table that a method reads in once and others look things up in. The method stays alive, as it could read it in again.
var protocol = require('../protocol');

class Catalog {
  constructor() {
    this.rows = [];
    this.bySku = new Map();
  }
  load(count) {
    for (var i = 0; i < count; i++) {
      var row = { sku: 'sku-' + i, price: i * 1.5, tags: ['t' + i % 9, i] };
      this.rows.push(row);
      this.bySku.set(row.sku, { row: row, notes: ['note ' + i] });
    }
  }
  price(i) {
    return this.bySku.get('sku-' + i % this.rows.length).row.price;
  }
}

var catalog = new Catalog();
catalog.load(20000);
process.on('SIGHUP', function () { catalog.load(10); });

var sum = 0;
for (var i = 0; i < 100000; i++) sum += catalog.price(i);
protocol.collect();
protocol.ready({ rows: catalog.rows.length }, {
  more: function (argument, reply) {
    for (var k = 0; k < +argument; k++) sum += catalog.price(k);
    protocol.collect();
    reply({ sum: sum });
  }
});
