'use strict';
// An Express server right after a rush: every visitor logged in, filled a cart and asked for it again; nothing was collected
// on purpose.
//
//   node express.js --packages DIR [--n 45000]    DIR holds node_modules; READY { sessions, requests }
var http = require('http');
var path = require('path');
var protocol = require('../protocol');
var root = path.resolve(protocol.option('packages', '.'));
var load = require('module').createRequire(path.join(root, 'package.json'));
var express = load('express');
var N = +protocol.option('n', 45000);
var sessions = protocol.keep(new Map());
var requests = 0;

var app = express();
app.use(express.json());
app.use(function (request, response, next) { requests++; request.session = sessions.get(request.headers['x-session']); next(); });
app.post('/login', function (request, response) {
  var id = 's' + Math.random().toString(36).slice(2);
  sessions.set(id, { id: id, user: request.body.user, since: new Date(), cart: [], agent: request.headers['user-agent'] });
  response.json({ session: id });
});
app.post('/cart', function (request, response) {
  request.session.cart.push({ sku: request.body.sku, count: request.body.count, price: request.body.price, note: request.body.note });
  response.json({ items: request.session.cart.length });
});
app.get('/cart', function (request, response) { response.json(request.session.cart); });

var server = app.listen(0, '127.0.0.1', function () {
  var agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  var port = server.address().port;
  function ask(method, where, session, body, done) {
    var text = body ? JSON.stringify(body) : '';
    var headers = { 'user-agent': 'visitor/' + (requests % 7), 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    if (session) headers['x-session'] = session;
    var request = http.request({ agent: agent, host: '127.0.0.1', port: port, method: method, path: where, headers: headers }, function (response) {
      var answer = '';
      response.on('data', function (part) { answer += part; });
      response.on('end', function () { done(JSON.parse(answer)); });
    });
    request.end(text);
  }
  var next = 0, running = 16;
  function visit() {
    if (next >= N) {
      if (--running === 0) protocol.ready({ sessions: sessions.size, requests: requests }, {});
      return;
    }
    var i = next++;
    ask('POST', '/login', null, { user: 'customer-' + i }, function (login) {
      ask('POST', '/cart', login.session, { sku: 'sku-' + (i * 7919 % 1000), count: i % 5 + 1, price: (i % 1000) / 7, note: 'leave at door ' + i }, function () {
        ask('GET', '/cart', login.session, null, visit);
      });
    });
  }
  for (var i = 0; i < 16; i++) visit();
});
