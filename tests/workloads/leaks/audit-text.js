'use strict';
// A text that grows by a line for each request, and is never written out.
var leak = require('./leak');

var audit = { log: '' };

function record(i) {
  audit.log += 'request ' + i + ' was answered by worker ' + (i % 7) + '\n';
}

leak.run(__filename, { accumulates: 'Object', holder: ['audit', 'record'], contents: '(concatenated string)' }, record, 60000);
