'use strict';
// Templates are compiled again for each request, and a registry keeps all of them.
var leak = require('./leak');

var templates = {};

function compile(i) {
  templates['page-' + i] = new Function('name', 'return "<h1>" + name + " ' + i + '</h1>";');
}

leak.run(__filename, { accumulates: 'Object', holder: ['templates', 'compile'], contents: 'anonymous' }, compile, 8000);
