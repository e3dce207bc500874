'use strict';
// A web shop that leaks, as real ones do: each visit opens a session that nothing ever closes, and each session
// subscribes a closure to the price feed. `cargo xtask demo` captures it. Runs on Node 4 to 26.
//
//   node leaky-service.js
//
// READY { port }; GET /visit?user=NAME opens a session, GET /health answers at once, GET /memory says how much is used.
// The command `alone` replies when no visitor is connected.
var EventEmitter = require('events').EventEmitter;
var http = require('http');
var url = require('url');
var protocol = require('./protocol');

class Basket {
  constructor() {
    this.items = [];
    this.total = 0;
  }
  add(sku, price) {
    this.items.push({ sku: sku, price: price });
    this.total += price;
  }
}

class Session {
  constructor(id, user, request) {
    this.id = id;
    this.user = user;
    this.openedAt = new Date();
    this.userAgent = request.headers['user-agent'];
    this.basket = new Basket();
    this.onPrice = null;
  }
}

var prices = new EventEmitter();
prices.setMaxListeners(0);
var sessions = new Map();

function open(user, request) {
  var session = new Session('s-' + (sessions.size + 1), user, request);
  var history = [];
  session.basket.add('sku-' + (sessions.size % 97), 9.99 + sessions.size % 50);
  // The leak: the listener is never removed, and it holds the session, its history and the request.
  session.onPrice = function onPrice(price) {
    history.push(price);
    session.lastSeen = request.url;
  };
  prices.on('price', session.onPrice);
  sessions.set(session.id, session);
  return session;
}

var server = http.createServer(function (request, response) {
  var address = url.parse(request.url, true);
  response.setHeader('Content-Type', 'application/json');
  if (address.pathname === '/visit') {
    var session = open(address.query.user, request);
    return response.end(JSON.stringify({ session: session.id, total: session.basket.total }));
  }
  if (address.pathname === '/memory') {
    var used = Math.round(process.memoryUsage().heapUsed / 1e6);
    return response.end(sessions.size + ' sessions, ' + used + ' MB of JavaScript heap');
  }
  response.end('{"ok":true}');
});

server.listen(0, '127.0.0.1', function () {
  protocol.ready({ port: server.address().port }, {
    // Replies when no visitor is connected, and what closing takes is done.
    alone: function alone(argument, reply) {
      server.getConnections(function (error, visitors) {
        if (visitors) setTimeout(alone, 10, argument, reply);
        else setTimeout(reply, 50, {});
      });
    }
  });
});
