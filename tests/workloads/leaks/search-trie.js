'use strict';
// Every search that was ever made, in a tree of characters.
var leak = require('./leak');

class Branch {
  constructor() {
    this.next = new Map();
    this.count = 0;
  }
}

var root = new Branch();

function remember(i) {
  var at = root;
  for (var character of (i * 2654435761 >>> 0).toString(36)) {
    var next = at.next.get(character);
    if (!next) at.next.set(character, next = new Branch());
    at = next;
  }
  at.count++;
}

leak.run(__filename, { accumulates: 'Branch', holder: ['remember', 'Branch'], contents: 'Branch' }, remember, 8000);
