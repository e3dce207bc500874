'use strict';
// A registry that a loop of the module fills by a method, once; after that it is only read.
var protocol = require('../protocol');

class Registry {
  constructor() { this.items = new Map(); }
  enter(key, value) { this.items.set(key, value); }
  get(key) { return this.items.get(key); }
}

var registry = new Registry();
for (var i = 0; i < 30000; i++) registry.enter('country-' + i, { id: i, name: 'name ' + i });

function nameOf(i) { return registry.get('country-' + i % 30000).name; }

protocol.ready({ size: registry.items.size }, {
  more: function (argument, reply) {
    var length = 0;
    for (var k = 0; k < +argument; k++) length += nameOf(k).length;
    reply({ length: length });
  }
});
