'use strict';
// Code that was optimised, died and was collected, with other code compiled in its place since: in the free memory of code space
// is what was there, with the constants that it was made with. Node 4 and later, with --expose-gc.
//
// READY {}
var protocol = require('./protocol');

function Planted(i) { this.i = i; this.next = null; }
var planted = protocol.keep([]);
for (var i = 0; i < 1000; i++) planted.push(new Planted(i));
global.Planted = Planted;

// Functions that place objects, one after the other, optimised: each has the map of what it places among its instructions.
function compile(name, statements) {
  var text = 'var last = null;\n';
  for (var n = 0; n < statements; n++) text += 'if (i % ' + (n + 2) + ' === 0) { last = new Planted(i + ' + n + '); last.next = i; }\n';
  var made = new Function('i', text + 'return last;\n//# sourceURL=' + name);
  for (var call = 0; call < 20000; call++) made(call);
  return made;
}

for (var round = 0; round < 3; round++) {
  var old = [];
  for (var f = 0; f < 12; f++) old.push(compile('old-' + round + '-' + f, 12 + f));
  old = null;
  protocol.collect();
}
var young = protocol.keep([]);
setTimeout(function () {
  protocol.collect();
  protocol.collect();
  for (var f = 0; f < 5; f++) young.push(compile('young-' + f, 1 + f));
  // Where the next code will be placed stays as it is.
  protocol.ready({}, {});
}, 100);
