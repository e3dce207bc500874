'use strict';
// An array that its code only knows by a name of its own.
var leak = require('./leak');

var state = { audit: { entries: [] }, options: { keep: true } };

function audit(i) {
  const { entries } = state.audit;
  entries[entries.length] = JSON.stringify(leak.payload(i));
}

leak.run(__filename, { accumulates: 'Array', holder: ['audit'], contents: '(string)' }, audit, 25000);
