'use strict';
// A table in memory at its bound, with an index beside the rows: each new row throws out the oldest, from both.
var protocol = require('../protocol');

class Table {
  constructor(capacity) {
    this.capacity = capacity;
    this.rows = new Map();
    this.index = {};
  }
  insert(row) {
    this.rows.set(row.id, row);
    this.index[row.key] = row;
    if (this.rows.size > this.capacity) this.remove(this.rows.keys().next().value);
  }
  remove(id) {
    var row = this.rows.get(id);
    this.rows.delete(id);
    delete this.index[row.key];
  }
}

var table = new Table(5000);
var next = 0;

function work(count) {
  for (var i = 0; i < count; i++, next++) table.insert({ id: next, key: 'key-' + next, values: [1, 2, next] });
}

work(20000);
protocol.collect();
protocol.ready({ capacity: table.capacity }, {
  more: function (argument, reply) {
    work(+argument);
    protocol.collect();
    reply({ size: table.rows.size });
  }
});
