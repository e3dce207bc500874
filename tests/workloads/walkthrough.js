'use strict';
// An HTTP server under load, stopped in the middle of a request: the program that the walk-throughs of llnode are about.
// Each request opens a log file to write to and leaves work for the next tick. Runs on Node 4 to 26.
//
//   node walkthrough.js [--clients 5] [--logs DIR]
//
// READY { port, logs: [path…], peers: [port…], ticks, sockets, writeStreams, url }, printed from inside of the last request's
// handler, which then waits for the end of standard input without ever going back to the event loop.
var fs = require('fs');
var http = require('http');
var os = require('os');
var path = require('path');
var protocol = require('./protocol');

var CLIENTS = +protocol.option('clients', 5);
var LOGS = protocol.option('logs', os.tmpdir());
var TICKS = 7;
var streams = protocol.keep([]);
var sockets = protocol.keep([]);
var requests = 0;

function RequestLog(request) {
  this.url = request.url;
  this.file = path.join(LOGS, 'request-' + process.pid + '-' + requests + '.log');
  this.stream = fs.createWriteStream(this.file);
  this.stream.write('begin ' + request.url + '\n');
}

function truth(url) {
  return {
    port: server.address().port,
    logs: streams.map(function (log) { return log.file; }),
    peers: sockets.map(function (socket) { return socket.remotePort; }),
    ticks: TICKS,
    writeStreams: streams.length,
    url: url,
    pid: process.pid,
    node: process.version,
  };
}

function later(number, url) {
  process.nextTick(function workForTheNextTick() { return number + url; });
}

function stopHere(log, answer) {
  for (var i = 0; i < TICKS; i++) later(i, log.url);
  protocol.collect();
  process.stdout.isTTY;
  protocol.say('READY', truth(log.url));
  // Reads until the test closes the pipe; the event loop never turns again.
  var buffer = Buffer.alloc ? Buffer.alloc(64) : new Buffer(64);
  for (;;) {
    try {
      if (fs.readSync(0, buffer, 0, buffer.length, null) === 0) break;
    } catch (error) {
      if (error.code === 'EOF') break;
      if (error.code !== 'EAGAIN') throw error;
    }
  }
  process.exit(0);
}

function handleRequest(request, response) {
  requests++;
  var log = new RequestLog(request);
  streams.push(log);
  sockets.push(request.socket);
  log.stream.on('open', function () {
    if (streams.length === CLIENTS && streams.every(isOpen)) {
      stopHere(log, response);
    }
  });
}

function isOpen(log) { return typeof log.stream.fd === 'number'; }

var server = http.createServer(handleRequest);
server.listen(0, '127.0.0.1', function () {
  for (var i = 0; i < CLIENTS; i++) {
    http.get({ host: '127.0.0.1', port: server.address().port, path: '/order/' + i, agent: false })
      .on('error', function () {});
  }
});
