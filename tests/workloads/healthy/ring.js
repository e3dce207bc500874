'use strict';
// The last few thousand log records, in a ring: each new one takes the place of the oldest.
var protocol = require('../protocol');

var ring = new Array(4000);
var next = 0;

function log(record) {
  ring[next++ % ring.length] = record;
}

function work(count) {
  for (var i = 0; i < count; i++) log({ number: next, message: 'message number ' + next });
}

work(20000);
protocol.collect();
protocol.ready({ size: ring.length }, {
  more: function (argument, reply) {
    work(+argument);
    protocol.collect();
    reply({ logged: next });
  }
});
