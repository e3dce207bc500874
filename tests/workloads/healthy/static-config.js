'use strict';
// A big table that is loaded once and never grows: countries, prices, translations.
var protocol = require('../protocol');

function loadTable() {
  var rows = [];
  for (var i = 0; i < 20000; i++) {
    rows.push({ sku: 'sku-' + i, price: i * 1.25, tags: ['a' + i % 7, 'b' + i % 11] });
  }
  return Object.freeze(JSON.parse(JSON.stringify(rows)));
}

var table = Object.freeze({ version: 7, rows: loadTable() });

function priceOf(i) {
  return table.rows[i % table.rows.length].price;
}

var sum = 0;
for (var i = 0; i < 100000; i++) sum += priceOf(i);
protocol.collect();
protocol.ready({ sum: sum, rows: table.rows.length }, {
  more: function (argument, reply) {
    for (var k = 0; k < +argument; k++) sum += priceOf(k);
    protocol.collect();
    reply({ sum: sum });
  }
});
