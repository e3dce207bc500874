'use strict';
// A keep-alive agent is given a name of its own for each request: it keeps a queue for each.
var http = require('http');
var leak = require('./leak');

class TracingAgent extends http.Agent {}

var agent = new TracingAgent({ keepAlive: true, maxSockets: 1 });

function request(i) {
  // What the agent does for a request that has to wait, without a server at the other end.
  var name = agent.getName({ host: 'tenant-' + i + '.example', port: 80 });
  agent.requests[name] = [leak.payload(i)];
}

leak.run(__filename, { accumulates: 'Object', holder: ['agent', 'TracingAgent', 'requests'], contents: 'Array' }, request, 15000);
