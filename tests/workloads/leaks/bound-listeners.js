'use strict';
// Listeners that are taken away in vain: what is removed is another function than what was added.
var EventEmitter = require('events').EventEmitter;
var leak = require('./leak');

var prices = new EventEmitter();
prices.setMaxListeners(0);

class Session {
  constructor(i) {
    this.cart = leak.payload(i);
    prices.on('change', this.onChange.bind(this));
  }
  onChange(price) { this.price = price; }
  close() { prices.removeListener('change', this.onChange); }
}

function visit(i) {
  new Session(i).close();
}

leak.run(__filename, { accumulates: 'Array', holder: ['prices', 'Session'], contents: 'onChange' }, visit, 8000);
