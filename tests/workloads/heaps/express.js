'use strict';
// A shop on express that has served some ten thousand customers, whose sessions it keeps.
var http = require('http');
var modules = require('./modules');
var protocol = require('../protocol');
var express = modules.load('express');

var CUSTOMERS = 30000;
var sessions = protocol.keep(new Map());
var app = express();
app.use(express.json());
app.post('/login', function (request, response) {
  var id = 's-' + sessions.size.toString(36) + '-' + request.body.user;
  sessions.set(id, { user: request.body.user, agent: request.get('user-agent'), since: new Date(), cart: [] });
  response.json({ session: id });
});
app.post('/cart/:session', function (request, response) {
  var session = sessions.get(request.params.session);
  session.cart.push({ item: request.body.item, price: request.body.price, note: 'as seen on page ' + request.body.page });
  response.json({ items: session.cart.length });
});

var server = app.listen(0, '127.0.0.1', function () {
  var agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  function post(path, body, done) {
    var text = JSON.stringify(body);
    var headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'user-agent': 'heaps/1.0' };
    var options = { port: server.address().port, method: 'POST', path: path, agent: agent, headers: headers };
    http.request(options, function (response) {
      var reply = '';
      response.setEncoding('utf8');
      response.on('data', function (part) { reply += part; });
      response.on('end', function () { done(JSON.parse(reply)); });
    }).end(text);
  }
  var next = 0;
  var visitors = 8;
  function visit() {
    if (next >= CUSTOMERS) {
      if (--visitors === 0) protocol.ready({ sessions: sessions.size }, {});
      return;
    }
    var customer = next++;
    post('/login', { user: 'customer-' + customer }, function (login) {
      var item = { item: 'article ' + customer * 7919 % 1000, price: customer % 900 + 0.99, page: customer % 40 };
      post('/cart/' + login.session, item, visit);
    });
  }
  for (var i = 0; i < 8; i++) visit();
});
