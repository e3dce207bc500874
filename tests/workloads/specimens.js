'use strict';
// One value of every kind that the language has, and of every way in which V8 stores it, with the truth about each. On
// every Node from 4 to 26. Each subject is a class with one instance; each specimen is a property of it.
//
//   node --expose-gc specimens.js
//
// READY { subjects: { class: [ { name, value } ] } }, values as describe.js says them.
var fs = require('fs');
var protocol = require('./protocol');
var witness = require('./describe');
var describe = witness.describe;
var hidden = witness.hidden;

var source = fs.readFileSync(__filename, 'utf8');
var subjects = {};
var living = protocol.keep([]);

// Runs `source` where this Node knows its syntax and its globals; the specimen is left out elsewhere.
function attempt(code) {
  try {
    return new Function('"use strict"; return ' + code)();
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof ReferenceError) return undefined;
    throw error;
  }
}

// Adds a specimen. Strings are made twice, and the twin is described: to look at a cons string is to flatten it.
function add(subject, name, make) {
  var value = make();
  if (value === undefined && name !== 'undefined') return;
  subject[name] = value;
  subjects[subject.constructor.name].push({
    name: name,
    value: describe(typeof value === 'string' ? make() : value)
  });
}

function open(Subject) {
  var subject = new Subject();
  subjects[Subject.name] = [];
  living.push(subject);
  return subject;
}

// Where a function of this file begins: 1-based line and column of its parameter list, V8's start position.
function position(marker) {
  var at = source.indexOf(marker) + marker.length;
  var before = source.slice(0, at).split('\n');
  return { line: before.length, column: before[before.length - 1].length + 1 };
}

// --- Numbers, to the last bit.
class Numbers {}
var numbers = open(Numbers);
[0, 1, -1, 127, 2147483647, -2147483648, 2147483648, -2147483649, 4294967295, 4294967296, 9007199254740991,
  -9007199254740991, 9007199254740992, -0, 0.1, -0.5, 1 / 3, NaN, Infinity, -Infinity, Number.MAX_VALUE,
  Number.MIN_VALUE, -Number.MIN_VALUE, 2.2250738585072014e-308, 2.225073858507201e-308, Number.EPSILON, 1e21, 1e-7,
  123456789.125
].forEach(function (number, i) { add(numbers, 'number' + i, function () { return number; }); });
// A double field that was changed in place.
numbers.mutable = 0.5;
for (var i = 0; i < 20; i++) numbers.mutable = numbers.mutable * 3;
subjects.Numbers.push({ name: 'mutable', value: describe(numbers.mutable) });

// --- Primitives that are not numbers.
class Oddballs {}
var oddballs = open(Oddballs);
add(oddballs, 'undefined', function () { return undefined; });
add(oddballs, 'null', function () { return null; });
add(oddballs, 'true', function () { return true; });
add(oddballs, 'false', function () { return false; });
add(oddballs, 'symbol', function () { return Symbol('a description'); });
add(oddballs, 'symbolEmpty', function () { return Symbol(''); });
add(oddballs, 'symbolRegistered', function () { return Symbol.for('registered \u4e2d'); });
add(oddballs, 'symbolWellKnown', function () { return Symbol.iterator; });

// --- Strings, to the last code unit, in every representation.
class Strings {}
var strings = open(Strings);
function repeat(unit, times) {
  var text = unit;
  while (text.length < unit.length * times) text += text;
  return text.slice(0, unit.length * times);
}
// A flat copy: JSON's parser makes sequential strings.
function flat(text) { return JSON.parse(JSON.stringify({ text: text })).text; }
// One that a long concatenation leaves as a tree, leaning to the left or to the right.
function leftDeep(piece, depth) {
  for (var text = piece, i = 0; i < depth; i++) text = text + piece + i;
  return text;
}
function rightDeep(piece, depth) {
  for (var text = piece, i = 0; i < depth; i++) text = piece + i + text;
  return text;
}
add(strings, 'empty', function () { return ''; });
add(strings, 'single', function () { return 'x'; });
add(strings, 'singleLatin1', function () { return '\xe9'; });
add(strings, 'internalized', function () { return 'an internalized literal'; });
add(strings, 'sequential', function () { return flat('a sequential string of one-byte characters'); });
add(strings, 'latin1', function () { return flat('caf\xe9 \xfc\xff\x80 na\xefve'); });
add(strings, 'controls', function () { return 'nul\0 tab\t newline\n quote" backslash\\ del\x7f escape\x1b'; });
add(strings, 'twoByte', function () { return flat('\u0436\u4e2d two byte \u2028\u2029\ufeff'); });
add(strings, 'surrogatePair', function () { return 'smile \ud83d\ude00!'; });
add(strings, 'loneHigh', function () { return 'high \ud800 alone'; });
add(strings, 'loneLow', function () { return 'low \udfff alone'; });
add(strings, 'swappedPair', function () { return '\ude00\ud83d'; });
add(strings, 'highUnits', function () { return '\uffff\ufffe\uffff'; });
add(strings, 'cons', function () { return flat('the first half of a cons string ') + flat('and its second half'); });
add(strings, 'consTwoByte', function () { return flat('one-byte half, long enough ') + flat('\u4e2d\u6587 half'); });
add(strings, 'leftDeep', function () { return leftDeep('left-deep ', 20000); });
add(strings, 'rightDeep', function () { return rightDeep('right-deep ', 20000); });
add(strings, 'flattenedCons', function () {
  var text = leftDeep('flattened ', 10);
  text.charCodeAt(3);
  return text;
});
add(strings, 'sliced', function () { return flat(repeat('abcdefghijklmnopqrstuvwxyz', 5)).substring(7, 77); });
add(strings, 'slicedTwoByte', function () { return flat(repeat('\u0430\u0431\u0432\u0433', 20)).substring(3, 60); });
add(strings, 'slicedCons', function () { return leftDeep('cut from a cons ', 30).substring(11, 222); });
add(strings, 'thin', function () {
  var text = flat('becomes a ') + flat('thin string when used as a key');
  var box = {};
  // The table of internalized strings gets its own copy; what we hold is turned into a reference to it.
  box['becomes a thin string when used as a key'] = 1;
  box[text] = 2;
  return text;
});
add(strings, 'number', function () { return String(12345678901234567890); });
add(strings, 'index', function () { return String(4294967294); });
add(strings, 'long', function () { return flat(repeat('0123456789', 20000)); });
add(strings, 'longTwoByte', function () { return flat(repeat('\u00e9\u0434\u4e2d', 20000)); });
add(strings, 'huge', function () { return repeat('huge cons of halves ', 300000); });
function bytes(length, fill) {
  return Buffer.alloc ? Buffer.alloc(length, fill) : new Buffer(length).fill(fill);
}
// Above a megabyte Node keeps the characters outside of the heap.
add(strings, 'external', function () { return bytes(1200000, 0x41).toString('binary'); });
add(strings, 'externalTwoByte', function () { return bytes(2400000, 0x42).toString('ucs2'); });

// --- Arrays of every elements kind.
class Arrays {}
var arrays = open(Arrays);
add(arrays, 'none', function () { return []; });
add(arrays, 'smis', function () { return [1, -2, 3, 2147483647, -2147483648]; });
add(arrays, 'doubles', function () { return [0.5, -0, NaN, 5e-324, 1.7976931348623157e308, Infinity, 3]; });
add(arrays, 'objects', function () { return ['one', 2, 2.5, null, undefined, true, { tag: 'nested' }, [4]]; });
add(arrays, 'holeySmis', function () { return [1, , 3, , 5]; });                          // eslint-disable-line no-sparse-arrays
add(arrays, 'holeyDoubles', function () { return [0.5, , NaN, , -0]; });                  // eslint-disable-line no-sparse-arrays
add(arrays, 'holeyObjects', function () { return ['a', , undefined, , 'e']; });           // eslint-disable-line no-sparse-arrays
add(arrays, 'onlyHoles', function () { return new Array(7); });
add(arrays, 'sparse', function () { var a = []; a[5] = 'five'; a[1000000] = 'million'; a[4294967294] = 'last'; return a; });
add(arrays, 'frozen', function () { return Object.freeze(['frozen', 1]); });
add(arrays, 'sealed', function () { return Object.seal(['sealed', 2.5]); });
add(arrays, 'withName', function () { var a = [1, 2]; a.label = 'an array with a name'; return a; });
add(arrays, 'grown', function () { var a = []; for (var i = 0; i < 100; i++) a.push(i); a.length = 90; return a; });
add(arrays, 'shifted', function () { var a = []; for (var i = 0; i < 100; i++) a.push(i); a.shift(); a.shift(); return a; });
add(arrays, 'copyOnWrite', function () { function literal() { return [7, 8, 9]; } literal(); return literal(); });

// --- Objects by the ways in which they keep properties.
class Objects {}
var objects = open(Objects);
add(objects, 'plain', function () { return { a: 1, b: 'two', c: 3.5, d: null }; });
add(objects, 'none', function () { return {}; });
add(objects, 'outOfObject', function () {
  var o = {};
  for (var i = 0; i < 30; i++) o['property' + i] = i % 3 ? i : i + 0.5;
  return o;
});
add(objects, 'dictionary', function () {
  var o = { gone: 1, kept: 'kept' };
  for (var i = 0; i < 30; i++) o['key ' + i] = i;
  delete o.gone;
  o.last = -0;
  return o;
});
add(objects, 'hugeDictionary', function () {
  var o = {};
  for (var i = 0; i < 2000; i++) o['entry number ' + i] = i;
  return o;
});
add(objects, 'withElements', function () { return { 0: 'zero', 3: 'three', name: 'elements and names' }; });
add(objects, 'sparseElements', function () { var o = { n: 1 }; o[1e6] = 'far'; o[2e9] = 'farther'; return o; });
add(objects, 'symbolKeys', function () { var o = { plain: 1 }; o[Symbol('key')] = 'by symbol'; return o; });
add(objects, 'accessors', function () {
  return { get both() { return 1; }, set both(v) {}, get only() { return 2; }, data: 3 };
});
add(objects, 'frozen', function () { return Object.freeze({ x: 1, y: 0.5 }); });
add(objects, 'notEnumerable', function () {
  return Object.defineProperty({ seen: 1 }, 'unseen', { value: 'not enumerable' });
});
add(objects, 'oddNames', function () { return { '': 'empty', 'a b': 'space', '\u4e2d': 'two-byte', 'q"uote': 1 }; });
add(objects, 'nested', function () { return { l1: { l2: { l3: { l4: { l5: 'deep' } } } } }; });
add(objects, 'arguments', function () {
  return hidden((function () { return arguments; })(1, 'two'), {
    opaque: true, kind: 'arguments', arguments: [describe(1), describe('two')]
  });
});
add(objects, 'nullPrototype', function () {
  var o = Object.create(null);
  o.key = 'value';
  return hidden(o, { opaque: true, kind: 'object', elements: [], properties: [
    { name: witness.string('key'), value: describe('value') }] });
});
add(objects, 'migrated', function () {
  function Point(x) { this.x = x; }
  var first = new Point(1);
  new Point(1.5);
  new Point('text');
  return first;
});
add(objects, 'privateNames', function () {
  var o = attempt('new (class Safe { #code = 1234; #label = "private"; open = 0.5; })()');
  return o && hidden(o, { privates: [
    { name: witness.string('#code'), value: describe(1234) },
    { name: witness.string('#label'), value: describe('private') }] });
});

// --- Collections.
class Collections {}
var collections = open(Collections);
add(collections, 'map', function () {
  return new Map([['text', 1], [2, 'two'], [0.5, null], [NaN, 'nan'], [{ key: 1 }, ['value']], [undefined, true]]);
});
add(collections, 'emptyMap', function () { return new Map(); });
add(collections, 'deletedMap', function () {
  var map = new Map();
  for (var i = 0; i < 100; i++) map.set('key ' + i, i);
  for (i = 0; i < 100; i += 3) map.delete('key ' + i);
  map.set('after', 'deletions');
  return map;
});
add(collections, 'clearedMap', function () { var map = new Map([[1, 2]]); map.clear(); map.set('new', 1); return map; });
add(collections, 'bigMap', function () {
  var map = new Map();
  for (var i = 0; i < 1000; i++) map.set(i, i * 0.5);
  return map;
});
add(collections, 'set', function () { return new Set(['a', 1, -1.5, null, 'a', { in: 'set' }]); });
add(collections, 'deletedSet', function () { var set = new Set([1, 2, 3, 4]); set.delete(2); return set; });
var key = { weak: 'key' };
living.push(key);
add(collections, 'weakMap', function () {
  return hidden(new WeakMap([[key, 'weak value']]), {
    opaque: true, kind: 'weakmap', entries: [[describe(key), describe('weak value')]]
  });
});
add(collections, 'weakSet', function () {
  return hidden(new WeakSet([key]), { opaque: true, kind: 'weakset', members: [describe(key)] });
});

// --- Functions: where they were written, and what they close over.
class Functions {}
var functions = open(Functions);
function namedFunction(a, b) { return a + b; }
add(functions, 'named', function () {
  return hidden(namedFunction, { file: __filename, position: position('\nfunction ' + 'namedFunction') });
});
function makeClosure(count, label) {
  var box = { inside: label };
  return function closureOverThree() { return [count, label, box]; };
}
add(functions, 'closure', function () {
  return hidden(makeClosure(41.5, 'captured'), {
    file: __filename, position: position('return function ' + 'closureOverThree'),
    context: { count: describe(41.5), label: describe('captured'), box: describe({ inside: 'captured' }) }
  });
});
add(functions, 'class', function () { return class Specimen { method() {} }; });
add(functions, 'method', function () { return ({ shorthand() { return 1; } }).shorthand; });
add(functions, 'arrow', function () { var arrow = (x) => x; return arrow; });
add(functions, 'anonymous', function () { return [function () {}][0]; });
add(functions, 'generatorFunction', function () { return function* naturals() { yield 1; }; });
add(functions, 'asyncFunction', function () { return attempt('async function waits() {}'); });
add(functions, 'builtin', function () { return Math.max; });
add(functions, 'lazy', function () { return function neverCalled() { return 'not compiled'; }; });
add(functions, 'bound', function () {
  return hidden(namedFunction.bind({ self: 'this' }, 1, 'two'), {
    kind: 'bound', target: describe(namedFunction), boundThis: describe({ self: 'this' }),
    boundArguments: [describe(1), describe('two')]
  });
});
add(functions, 'withProperties', function () { function tagged() {} tagged.tag = 'on a function'; return tagged; });

// --- Promises in every state, generators.
class Suspended {}
var suspended = open(Suspended);
function promise(made, state, result) {
  return hidden(made, result === undefined ? { opaque: true, kind: 'promise', state: state }
    : { opaque: true, kind: 'promise', state: state, result: describe(result) });
}
add(suspended, 'pending', function () { return promise(new Promise(function () {}), 'pending'); });
add(suspended, 'pendingWithReactions', function () {
  var made = new Promise(function () {});
  made.then(function onFulfilled() {}, function onRejected() {});
  return promise(made, 'pending');
});
add(suspended, 'fulfilled', function () { return promise(Promise.resolve('the result'), 'fulfilled', 'the result'); });
add(suspended, 'fulfilledSmi', function () { return promise(Promise.resolve(7), 'fulfilled', 7); });
add(suspended, 'rejected', function () {
  var made = Promise.reject('the reason');
  made.catch(function ignore() {});
  return promise(made, 'rejected', 'the reason');
});
function* count(from) { for (;;) yield from++; }
add(suspended, 'generator', function () {
  var made = count(5);
  made.next();
  return hidden(made, { opaque: true, kind: 'generator', function: witness.string('count'), state: 'suspended' });
});
function* once() { yield 'only'; }
add(suspended, 'generatorClosed', function () {
  var made = once();
  made.next();
  made.next();
  return hidden(made, { opaque: true, kind: 'generator', function: witness.string('once'), state: 'closed' });
});

// --- Binary data.
class Binary {}
var binary = open(Binary);
add(binary, 'arrayBuffer', function () { return new ArrayBuffer(1000); });
add(binary, 'emptyArrayBuffer', function () { return new ArrayBuffer(0); });
add(binary, 'uint8', function () { return new Uint8Array([1, 2, 255]); });
add(binary, 'int16', function () { return new Int16Array([-1, 2, 32767]); });
add(binary, 'float32', function () { return new Float32Array(33); });
add(binary, 'float64', function () { return new Float64Array([0.5, -0, NaN]); });
add(binary, 'clamped', function () { return new Uint8ClampedArray(5); });
add(binary, 'bigUint64', function () { return attempt('new BigUint64Array(3)'); });
add(binary, 'subarray', function () { return new Uint16Array(new ArrayBuffer(64), 8, 10); });
add(binary, 'dataView', function () { return new DataView(new ArrayBuffer(32), 4, 20); });
add(binary, 'buffer', function () { return bytes(100, 7); });
add(binary, 'largeBuffer', function () { return bytes(100000, 7); });

// --- Everything else.
class Exotic {}
var exotic = open(Exotic);
add(exotic, 'date', function () { return new Date(1234567890123); });
add(exotic, 'dateNegative', function () { return new Date(-62135596800000); });
add(exotic, 'dateInvalid', function () { return new Date(NaN); });
add(exotic, 'regexp', function () { return /^a(b+)\/c$/gi; });
add(exotic, 'regexpUsed', function () { var r = /o/g; r.exec('foo boo'); return r; });
add(exotic, 'regexpTwoByte', function () { return new RegExp('\u4e2d+', 'm'); });
add(exotic, 'error', function () { return new Error('something failed'); });
add(exotic, 'typeError', function () { return new TypeError('wrong type \u2014 really'); });
add(exotic, 'errorNoMessage', function () { return new Error(); });
add(exotic, 'boxedNumber', function () { return new Number(-0.5); });
add(exotic, 'boxedString', function () { return new String('boxed'); });
add(exotic, 'boxedBoolean', function () { return new Boolean(false); });
add(exotic, 'boxedSymbol', function () { return Object(Symbol('boxed')); });
add(exotic, 'proxy', function () {
  return typeof Proxy === 'function' ? hidden(new Proxy({ target: 1 }, { has: null }), {
    opaque: true, kind: 'proxy', target: describe({ target: 1 }), handler: describe({ has: null })
  }) : undefined;
});
['0n', '1n', '-1n', '18446744073709551615n', '18446744073709551616n', '-(2n ** 200n) + 7n', '9007199254740993n']
  .forEach(function (code, i) {
    // `**` on BigInt literals is folded by no parser that lacks BigInt: it does not parse there.
    add(exotic, 'bigint' + i, function () { return attempt(code); });
  });
add(exotic, 'boxedBigint', function () { return attempt('Object(12345678901234567890n)'); });
add(exotic, 'instance', function () {
  class Leaf { constructor() { this.leaf = true; } }
  return new Leaf();
});

protocol.collect();
protocol.ready({ subjects: subjects }, {});
