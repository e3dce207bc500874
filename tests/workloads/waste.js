'use strict';
// Objects that waste memory, each kind in a known number. Runs on Node 4 to 26.
var protocol = require('./protocol');

var N = 2000;

class Slow { constructor(i) { this.a = i; this.b = i; this.c = i; } }
class Tenant { constructor(i) { this.id = i; this.region = 'eu'; this.active = true; } }

var slow = [];
var maps = [];
var sets = [];
var empty = [];
var overgrown = [];
var sparse = [];
var tenants = [];
for (var i = 0; i < N; i++) {
  var object = new Slow(i);
  delete object.a;
  slow.push(object);
  maps.push(new Map());
  sets.push(new Set());
  empty.push([]);
  tenants.push(new Tenant(i));
  var grown = [];
  for (var k = 0; k < 100; k++) grown.push(k);
  // A shrinking length leaves the store as it is, as long as half of it is used.
  grown.length = 70;
  overgrown.push(grown);
  var holes = new Array(100);
  holes[0] = object;
  sparse.push(holes);
}
protocol.keep([slow, maps, sets, empty, overgrown, sparse, tenants]);

protocol.collect();
protocol.ready({ each: N }, {});
