'use strict';
// Data that was read as JSON: a real collection of facts, and records as a database would return them.
var fs = require('fs');
var modules = require('./modules');
var protocol = require('../protocol');

var state = 12345;
function random(n) {
  state = state * 16807 % 2147483647;
  return state % n;
}
function word() {
  var text = '';
  for (var i = 2 + random(4); i > 0; i--) text += ['ka', 'ro', 'min', 'tel', 'vas', 'o', 'lin', 'der', 'su', 'ne'][random(10)];
  return text;
}
function record(i) {
  return {
    id: i, name: word() + ' ' + word(), mail: word() + i + '@' + word() + '.example', balance: random(1e6) / 100,
    address: { street: word() + ' ' + random(300), city: word(), zip: String(10000 + random(89999)), at: [random(18000) / 100, random(9000) / 100] },
    tags: [word(), word(), word()].slice(random(3)), active: random(2) === 0, since: new Date(1.5e12 + random(1e9) * 100).toISOString(),
  };
}

protocol.keep(JSON.parse(fs.readFileSync(modules.file('@mdn', 'browser-compat-data', 'data.json'), 'utf8')));
var records = [];
for (var i = 0; i < 60000; i++) records.push(record(i));
var text = JSON.stringify(records);
records = protocol.keep(JSON.parse(text));
protocol.ready({ records: records.length }, {});
