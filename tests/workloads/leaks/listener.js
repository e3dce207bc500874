'use strict';
// Each visitor subscribes to a feed, and nobody ever unsubscribes.
var EventEmitter = require('events').EventEmitter;
var leak = require('./leak');

class PriceFeed extends EventEmitter {}

var feed = new PriceFeed();
feed.setMaxListeners(0);

function subscribeVisitor(i) {
  var visitor = leak.payload(i);
  feed.on('price', function onPrice(price) { visitor.last = price; });
}

leak.run(__filename, { accumulates: 'Array', holder: ['feed', 'PriceFeed', 'subscribeVisitor'], contents: 'onPrice' }, subscribeVisitor, 20000);
