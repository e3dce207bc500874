'use strict';
// Leaks as much as it is told. Runs on Node 4 to 26.
//
//   node leaking.js
//
// READY {}; the command `leak MEGABYTES` grows the heap by about so much, and replies when it has.
var protocol = require('./protocol');

class Leaked {
  constructor(i) { this.elements = new Array(1000).fill(i + 0.5); }
}

var leaked = protocol.keep([]);

protocol.ready({}, {
  leak: function (megabytes, reply) {
    // 1000 elements of 8 bytes.
    for (var i = 0; i < megabytes * 131; i++) leaked.push(new Leaked(i));
    reply({ leaked: leaked.length });
  }
});
