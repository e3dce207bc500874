'use strict';
// Each reload wraps the handler once more.
var leak = require('./leak');

var app = { handler: function first(request) { return request; } };

function decorate(handler, settings) {
  return function decorated(request) { return settings.on ? handler : request; };
}

function reload(i) {
  app.handler = decorate(app.handler, leak.payload(i));
}

leak.run(__filename, { accumulates: 'Object', holder: ['reload', 'app'], contents: 'decorated' }, reload, 15000);
