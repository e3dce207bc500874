'use strict';
// A small service of a fleet: it has a table, texts that other services have, too, and may leak. Runs on Node 6 to 26.
//
//   node fleet.js --service NAME [--leak COUNT]
//
// READY {}; the command `work` lets it work on: it leaks COUNT more orders, and replies how many there are.
const protocol = require('./protocol');

const SERVICE = protocol.option('service', 'shop');
const LEAK = +protocol.option('leak', 0);

class LeakedOrder {
  constructor(number) {
    this.number = number;
    this.lines = [number, number + 1, number + 2];
    this.note = `order ${number} of ${SERVICE}`;
  }
}

class Route {
  constructor(number) {
    this.path = `/${SERVICE}/route/${number}`;
    this.hits = 0;
  }
}

const routes = protocol.keep([]);
for (let number = 0; number < 500; number++) routes.push(new Route(number));

// The same text in every service, 50 times: made at run time, so that no two of them are one string.
const copies = protocol.keep([]);
for (let number = 0; number < 50; number++) {
  copies.push(Buffer.from('a licence text that every service of the fleet carries along').toString('latin1'));
}

const orders = protocol.keep([]);
protocol.collect();
protocol.ready({}, {
  work(argument, reply) {
    for (let number = 0; number < LEAK; number++) orders.push(new LeakedOrder(orders.length));
    protocol.collect();
    reply({orders: orders.length});
  },
});
