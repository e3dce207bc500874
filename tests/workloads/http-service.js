'use strict';
// An HTTP service and the clients that load it, in one process each way: it proves that a capture loses no request.
// Runs on Node 4 to 26.
//
//   node http-service.js [--clients 8]
//
// READY { port }; the command `report` answers { sent, answered, failed, longestGapMs } since the start; `stop` lets
// the requests in flight finish first, so that `sent` equals `answered` if none was lost.
var http = require('http');
var protocol = require('./protocol');

var CLIENTS = +protocol.option('clients', 8);
var sessions = new Map();
var report = { sent: 0, answered: 0, failed: 0 };
var stopping = false;
var stopped = null;
var active = 0;
var longestGap = protocol.gapRecorder();

class Session {
  constructor(id) { this.id = id; this.hits = 0; this.basket = []; }
}

var server = http.createServer(function (request, response) {
  var id = 'session ' + (report.answered % 500);
  var session = sessions.get(id) || new Session(id);
  sessions.set(id, session);
  session.hits++;
  session.basket = session.basket.concat({ url: request.url, at: Date.now() }).slice(-20);
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ echo: request.url, hits: session.hits }));
});

var agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
function client(port) {
  if (stopping) {
    if (--active === 0) stopped();
    return;
  }
  var path = '/item/' + report.sent++;
  function failed(error) {
    report.failed++;
    report.reason = String(error);
    setImmediate(client, port);
  }
  http.get({ host: '127.0.0.1', port: port, path: path, agent: agent }, function (response) {
    var body = '';
    response.on('data', function (text) { body += text; });
    response.on('end', function () {
      if (JSON.parse(body).echo !== path) return failed('wrong answer: ' + body);
      report.answered++;
      setImmediate(client, port);
    });
  }).on('error', failed);
}

function answer(reply) {
  report.longestGapMs = longestGap();
  reply(report);
}

server.listen(0, '127.0.0.1', function () {
  var port = server.address().port;
  for (var i = 0; i < CLIENTS; i++, active++) client(port);
  protocol.ready({ port: port }, {
    report: function (_, reply) { answer(reply); },
    stop: function (_, reply) {
      stopped = function () { answer(reply); };
      stopping = true;
    }
  });
});
