'use strict';
// An object under a registered symbol serves all modules as a dictionary, and grows by a symbol for each tenant.
var leak = require('./leak');

var KEY = Symbol.for('app.tenants');
global[KEY] = {};

function addTenant(i) {
  global[KEY][Symbol.for('tenant-' + i)] = leak.payload(i);
}

leak.run(__filename, { accumulates: 'Object', holder: ['app.tenants', 'KEY', 'global'], contents: 'Object' }, addTenant, 20000);
