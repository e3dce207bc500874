'use strict';
// A program right after its start: it has never been asked to collect, so much that is alive lies in new space. Node 4 and later.
//
// READY {}
var http = require('http');
var protocol = require('./protocol');

function Young(i) { this.text = 'young ' + i; this.next = null; }
var living = protocol.keep([]);
for (var i = 0; i < 1000; i++) living.push(new Young(i));
http.createServer(function () {}).listen(0, '127.0.0.1', function () { protocol.ready({}, {}); });
