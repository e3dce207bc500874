'use strict';
// A source that is piped into a sink for each client, and never unpiped.
var stream = require('stream');
var leak = require('./leak');

var source = new stream.PassThrough();
source.setMaxListeners(0);

function connect(i) {
  var sink = new stream.Writable({ write: function (chunk, encoding, done) { done(); } });
  sink.client = i;
  source.pipe(sink);
}

leak.run(__filename, { accumulates: 'PassThrough', holder: ['source', 'connect'], contents: 'Writable' }, connect, 3000);
