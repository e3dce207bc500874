'use strict';
// A global to which everything is appended.
var leak = require('./leak');

global.auditTrail = [];

function audit(i) {
  auditTrail.push(leak.payload(i)); // eslint-disable-line no-undef
}

leak.run(__filename, { accumulates: 'Array', holder: ['auditTrail', 'global'], contents: 'Object' }, audit, 30000);
