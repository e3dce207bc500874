'use strict';
// An HTTP service that has answered a few hundred requests of keep-alive clients, and is answering some.
var http = require('http');
var protocol = require('../protocol');

var served = 0;
var server = http.createServer(function handle(request, response) {
  served++;
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ path: request.url, headers: request.headers, n: served }));
});
var agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

function load(count, done) {
  var open = count;
  for (var i = 0; i < count; i++) {
    http.get({ port: server.address().port, path: '/item/' + i, agent: agent }, function (response) {
      response.resume();
      response.on('end', function () {
        if (--open === 0) done();
      });
    });
  }
}

server.listen(0, '127.0.0.1', function () {
  load(400, function () {
    protocol.collect();
    protocol.ready({ served: served }, {
      more: function (argument, reply) {
        load(+argument, function () {
          protocol.collect();
          reply({ served: served });
        });
      }
    });
  });
});
