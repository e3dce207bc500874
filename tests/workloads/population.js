'use strict';
// A heap whose every population is known: how many instances each class has, on every Node from 4 to 26. Their values
// are another program's subject (specimens.js). Run with --expose-gc, so that nothing but the living is counted.
//
//   node --expose-gc population.js [--n 500]
//
// READY { counts: { class: instances }, shapes: [ { properties, count } ], functions: { name: closures } }
var inherits = require('util').inherits;
var protocol = require('./protocol');

var N = +protocol.option('n', 500);
var counts = {};
var functions = {};
var living = protocol.keep([]);

function populate(name, instances, make) {
  var all = [];
  for (var i = 0; i < instances; i++) all.push(make(i));
  living.push(all);
  counts[name] = instances;
}

// A class in syntax that this Node may not know: `undefined` then.
function define(source) {
  try {
    return new Function('"use strict"; return ' + source)();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

// --- Classes, and classes of classes: each instance belongs to the class that `new` named.
class Invoice {
  constructor(number) {
    this.number = number;
    this.amount = number + 0.25;
    this.note = 'invoice ' + number;
  }
  total() { return this.amount; }
}
class CreditNote extends Invoice {
  constructor(number) {
    super(number);
    this.reason = 'returned';
  }
}
class Reversal extends CreditNote {}
class Empty {}
populate('Invoice', N, function (i) { return new Invoice(i); });
populate('CreditNote', N / 2, function (i) { return new CreditNote(i); });
populate('Reversal', N / 5, function (i) { return new Reversal(i); });
populate('Empty', N / 10, function () { return new Empty(); });

// --- Function constructors, and inheritance as it was before classes.
function Customer(id) {
  this.id = id;
  this.name = 'customer ' + id;
}
function Partner(id) {
  Customer.call(this, id);
  this.discount = id / 8;
}
inherits(Partner, Customer);
populate('Customer', N, function (i) { return new Customer(i); });
populate('Partner', N / 4, function (i) { return new Partner(i); });

// --- Every way in which V8 keeps properties.
function Ledger(i) {                             // A deleted property makes a dictionary.
  this.first = i;
  this.second = 'entry ' + i;
  delete this.first;
  this['account ' + i] = i;
}
function Wide(i) {                               // More properties than the instance has room for.
  for (var k = 0; k < 40; k++) this['field' + k] = i * k;
}
function Sparse(i) {                             // Elements so far apart that they become a dictionary.
  for (var k = 1; k < 6; k++) this[k * 100003] = i;
}
function Frozen(i) {
  this.value = i;
  this[0] = 'element';
  Object.freeze(this);
}
function Accessor(i) {
  var secret = i;
  Object.defineProperty(this, 'secret', { enumerable: true, get: function readSecret() { return secret; } });
}
populate('Ledger', N / 2, function (i) { return new Ledger(i); });
populate('Wide', N / 5, function (i) { return new Wide(i); });
populate('Sparse', N / 10, function (i) { return new Sparse(i); });
populate('Frozen', N / 10, function (i) { return new Frozen(i); });
populate('Accessor', N / 10, function (i) { return new Accessor(i); });
functions.readSecret = N / 10;

// A shape that changes in the middle of a population leaves instances on deprecated maps behind.
function Migrating(i) {
  this.kind = i;
  this.value = i < N / 20 ? i : 'text';
}
populate('Migrating', N / 10, function (i) { return new Migrating(i); });

// --- Subclasses of built-ins, of which Node itself makes none.
function populateSubclass(name, base, make) {
  var subclass = define('class ' + name + ' extends ' + base + ' {}');
  // V8 4.5 parses some of these but makes plain instances of the base.
  if (subclass && make(subclass, 0) instanceof subclass) {
    populate(name, N / 10, function (i) { return make(subclass, i); });
  }
}
populateSubclass('OrderLines', 'Array', function (C, i) { var o = new C(); o.push(i, 'line'); return o; });
populateSubclass('PriceMap', 'Map', function (C, i) { return new C().set('price', i); });
populateSubclass('TagSet', 'Set', function (C, i) { return new C().add(i); });
populateSubclass('LooseMap', 'WeakMap', function (C, i) { return new C().set(living[0][i], i); });
populateSubclass('LooseSet', 'WeakSet', function (C, i) { return new C().add(living[0][i]); });
populateSubclass('DueDate', 'Date', function (C, i) { return new C(1e12 + i); });
populateSubclass('SkuPattern', 'RegExp', function (C, i) { return new C('^sku' + i + '$', 'i'); });
populateSubclass('PaymentError', 'Error', function (C, i) { return new C('payment ' + i); });
populateSubclass('PendingPayment', 'Promise', function (C) { return new C(function () {}); });
populateSubclass('RateTable', 'Float64Array', function (C) { return new C(4); });
populateSubclass('Attachment', 'Uint8Array', function (C) { return new C(100); });
populateSubclass('Archive', 'ArrayBuffer', function (C) { return new C(256); });
populateSubclass('ArchiveView', 'DataView', function (C) { return new C(new ArrayBuffer(8)); });
populateSubclass('Amount', 'Number', function (C, i) { return new C(i); });
populateSubclass('Label', 'String', function (C, i) { return new C('label ' + i); });

// --- Newer syntax, where this Node has it.
var Account = define('class Account { #balance; constructor(i) { this.#balance = i; this.open = true; }' +
  ' get balance() { return this.#balance; } }');
if (Account) populate('Account', N / 4, function (i) { return new Account(i); });
var Vault = define('class Vault { static #made = 0; #audit() { return Vault.#made; } code = 1234; ' +
  ' constructor() { Vault.#made++; this.#audit(); } }');
if (Vault) populate('Vault', N / 4, function () { return new Vault(); });

// --- Closures and bound functions.
function makeCounter(i) {
  var hidden = { count: i };
  return function countUp() { return ++hidden.count; };
}
var counters = [];
for (var c = 0; c < N; c++) counters.push(makeCounter(c));
functions.countUp = N;
living.push(counters);

// --- Literals and objects without a class: told apart by their shapes. The literal's boilerplate is not an instance.
var shapes = [];
function makeLine(i) { return { sku: i, quantity: 1, price: 'free' }; }
var lines = [];
for (var l = 0; l < N; l++) lines.push(makeLine(l));
shapes.push({ properties: ['sku', 'quantity', 'price'], count: N });
living.push(lines);

// Called once more each, so that no class is still in the slack-tracking phase in which its instances are too large.
living.forEach(function (all) { all.forEach(function (one) { if (one.total) one.total(); }); });

protocol.collect();
protocol.ready({ counts: counts, shapes: shapes, functions: functions }, {
  // The same counts by V8's own witness; its name is the argument.
  snapshot: function (file, reply) {
    protocol.collect();
    require('v8').writeHeapSnapshot(file);
    reply({ file: file });
  }
});
