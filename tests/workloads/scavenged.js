'use strict';
// A young heap that was scavenged several times: both semispaces have had objects, and the one in use is half full. Node 4 and later.
//
// READY {}
var protocol = require('./protocol');

function Passing(i) { this.i = i; this.text = 'passing ' + i; }
var living = protocol.keep([]);
var i = 0;
function allocate() {
  for (var end = i + 3000; i < end; i++) {
    var passing = new Passing(i);
    if (i % 50 === 0) living.push(passing);
  }
  if (i < 90000) return setImmediate(allocate);
  protocol.ready({}, {});
}
allocate();
