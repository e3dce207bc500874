'use strict';
// Sockets are added to a set when they connect, and never taken out.
var net = require('net');
var leak = require('./leak');

var clients = new Set();

function connected(i) {
  var socket = new net.Socket();
  socket.session = leak.payload(i);
  clients.add(socket);
}

leak.run(__filename, { accumulates: 'Set', holder: ['clients', 'connected'], contents: 'Socket' }, connected, 3000);
