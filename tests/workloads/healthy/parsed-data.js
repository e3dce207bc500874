'use strict';
// Data that were parsed at the start, and are known only by another name where they are used.
var protocol = require('../protocol');

class Place {
  constructor(row) {
    this.id = row.id;
    this.names = row.names;
  }
}

function parse(count) {
  var rows = [];
  for (var i = 0; i < count; i++) rows.push({ id: i, names: ['name-' + i, 'n' + i], at: [i, i + 1] });
  return JSON.parse(JSON.stringify(rows)).map(function (row) { return new Place(row); });
}

exports.places = parse(20000);

function pick(list, i) {
  return list[i % list.length];
}

function work(count) {
  var sum = 0;
  for (var i = 0; i < count; i++) sum += pick(exports.places, i).id;
  return sum;
}

work(1000);
protocol.collect();
protocol.ready({ places: exports.places.length }, {
  more: function (argument, reply) {
    var sum = work(+argument);
    protocol.collect();
    reply({ sum: sum });
  }
});
