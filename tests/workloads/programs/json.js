'use strict';
// Parsed JSON, as caches and importers hold it: made-up people, and the compatibility tables of browsers.
//
//   node json.js --packages DIR [--n 60000]    DIR holds node_modules; READY { records, bytes }
var path = require('path');
var fs = require('fs');
var protocol = require('../protocol');
var root = path.resolve(protocol.option('packages', '.'));
var load = require('module').createRequire(path.join(root, 'package.json'));
var faker = load('@faker-js/faker').faker;
var N = +protocol.option('n', 60000);
faker.seed(7);

var lines = [];
for (var i = 0; i < N; i++) {
  lines.push(JSON.stringify({
    id: faker.string.uuid(), name: faker.person.fullName(), email: faker.internet.email(), birth: faker.date.birthdate(),
    address: { street: faker.location.streetAddress(), city: faker.location.city(), zip: faker.location.zipCode(),
      at: [faker.location.latitude(), faker.location.longitude()] },
    account: { number: faker.finance.accountNumber(), balance: +faker.finance.amount(), currency: faker.finance.currencyCode() },
    tags: [faker.word.noun(), faker.word.adjective()], about: faker.lorem.sentence(), active: i % 3 === 0, visits: i % 97
  }));
}
var bytes = 0;
var records = protocol.keep([]);
lines.forEach(function (line) { bytes += line.length; records.push(JSON.parse(line)); });
lines = null;
protocol.keep(JSON.parse(fs.readFileSync(load.resolve('@mdn/browser-compat-data'), 'utf8')));
protocol.ready({ records: records.length, bytes: bytes }, {});
