'use strict';
// Short ids that were cut out of long documents, each of which stays.
var leak = require('./leak');

var ids = [];

function parse(i) {
  var document = Buffer.from(new Array(1200).join('document ' + i + '; ')).toString('latin1');
  ids.push(document.substring(3, 30));
}

leak.run(__filename, { accumulates: 'Array', holder: ['ids', 'parse'], contents: 'string' }, parse, 2000);
