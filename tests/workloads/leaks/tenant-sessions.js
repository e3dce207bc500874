'use strict';
// Sessions by tenant, in a Map of Maps: each inner Map holds a small part.
var leak = require('./leak');

var tenants = new Map();

function touch(i) {
  var tenant = 'tenant-' + i % 40;
  var sessions = tenants.get(tenant);
  if (!sessions) tenants.set(tenant, sessions = new Map());
  sessions.set('session-' + i, leak.payload(i));
}

leak.run(__filename, { accumulates: 'Map', holder: ['tenants', 'touch'], contents: 'Object' }, touch, 20000);
