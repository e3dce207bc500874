'use strict';
// What is alive, what is dead, and what keeps it so: each object here is reached in one known way, on every Node from 4
// to 26. Run with --expose-gc.
//
//   node --expose-gc reachability.js
//
// READY { alive: { class: count }, dead: { class: count }, links: { class: name of the last link to its only object } }
var protocol = require('./protocol');

function ByProperty() { this.payload = [1, 2, 3]; }
function ByElement() {}
function ByVariable() {}
function ByMapValue() {}
function ByMapKey() {}
function BySetMember() {}
function ByBoundThis() {}
function ByGetter() {}
function ByDictionary() {}
function ByGlobal() {}
function ByWeakMap() {}
function WeaklyHeld() {}
function Ghost(i) { this.i = i; this.next = null; }
function Link(next) { this.next = next; }
function Retained() { this.rows = []; }

function closeOver(captured) {
  return function () { return captured; };
}

var map = new Map();
map.set('the key', new ByMapValue());
map.set(new ByMapKey(), 1);
var set = new Set();
set.add(new BySetMember());
var dictionary = { a: 1, b: 2 };
delete dictionary.a;
dictionary.entry = new ByDictionary();
var key = {};
var weakMap = new WeakMap();
weakMap.set(key, new ByWeakMap());
var getter = {};
Object.defineProperty(getter, 'value', { get: closeOver(new ByGetter()) });
global.planted = new ByGlobal();

// A list so long that whoever recurses over it dies of it.
var list = null;
for (var i = 0; i < 200000; i++) list = new Link(list);

// 1,000 arrays of 16 doubles each: more than 144 bytes apiece that nothing else holds.
var retained = new Retained();
for (i = 0; i < 1000; i++) {
  var row = [];
  for (var k = 0; k < 16; k++) row.push(i + k / 32);
  retained.rows.push(row);
}

protocol.keep({
  property: new ByProperty(),
  elements: [0, new ByElement(), 2],
  closure: closeOver(new ByVariable()),
  map: map,
  set: set,
  bound: function () { return this; }.bind(new ByBoundThis()),
  getter: getter,
  dictionary: dictionary,
  key: key,
  weakMap: weakMap,
  list: list,
  retained: retained,
});
list = retained = map = set = dictionary = key = weakMap = getter = row = null;

protocol.collect();
// After the last collection: dead, but nobody has looked. A cycle, so that counting references would not find them.
(function () {
  var first = new Ghost(0);
  var last = first;
  for (var i = 1; i < 500; i++) last = last.next = new Ghost(i);
  last.next = first;
}());
// Only a weak reference leads to it, where there are any.
var weakly = typeof WeakRef === 'function' ? new WeakRef(new WeaklyHeld()) : null;
protocol.keep(weakly);

protocol.ready({
  alive: {
    ByProperty: 1, ByElement: 1, ByVariable: 1, ByMapValue: 1, ByMapKey: 1, BySetMember: 1, ByBoundThis: 1, ByGetter: 1,
    ByDictionary: 1, ByGlobal: 1, ByWeakMap: 1, Link: 200000, Retained: 1,
  },
  dead: { Ghost: 500 },
  links: {
    ByProperty: 'property', ByElement: '[1]', ByVariable: 'captured', ByMapValue: '["the key"]', ByMapKey: '(key 1)',
    BySetMember: '(key 0)', ByBoundThis: 'bound_this', ByGetter: 'captured', ByDictionary: 'entry', ByGlobal: 'planted',
  },
}, {});
