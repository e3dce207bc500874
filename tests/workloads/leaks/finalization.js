'use strict';
// A registry whose held values refer to the very objects that it waits for. On Node 14.6 and later.
var leak = require('./leak');

class Handle {
  constructor(i) {
    this.state = leak.payload(i);
  }
}

var registry = new FinalizationRegistry(function close(held) { held.handle = null; });

function open(i) {
  var handle = new Handle(i);
  registry.register(handle, { handle: handle });
}

leak.run(__filename, { accumulates: 'FinalizationRegistry', holder: ['registry', 'open'], contents: 'Handle' }, open, 20000);
