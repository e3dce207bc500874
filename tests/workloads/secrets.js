// Plants secrets wherever a program may have them. None is spelled out here: the source of functions is not redacted.
//
// Arguments: the path of a FIFO to block on, whose name may hold a secret, and any other arguments.
'use strict';

// The n-th secret: 20 letters, the same as in the test that looks for it.
function secret(n) {
  var state = 1000 + 37 * n;
  var text = '';
  for (var i = 0; i < 20; i++) {
    state = (state * 16807) % 2147483647;
    text += String.fromCharCode(97 + state % 26);
  }
  return flat(text);
}

// A string of its own, not a concatenation.
function flat(text) {
  return new Buffer(text, 'binary').toString('binary');
}

function repeated(n, length) {
  var piece = secret(n) + ' ';
  var text = '';
  while (text.length < length) text += piece;
  return text;
}

function KeptClass(n) {
  this.keptProperty = secret(n);
  this.keptNumber = n;
}

var held = {};
held.values = [];
for (var n = 0; n < 40; n++) held.values.push(new KeptClass(n));

held.template = `hello ${secret(40)} world, and ${secret(41)}`;
held.map = new Map([[secret(42), secret(43)]]);
held.set = new Set([secret(44)]);
held.bytes = new Uint8Array(20);
held.bytes.set(secret(45).split('').map(function (letter) { return letter.charCodeAt(0); }));
held.words = new Uint16Array(20);
held.words.set(secret(46).split('').map(function (letter) { return letter.charCodeAt(0); }));
held.buffer = new Buffer(secret(47));
// Too long for the heap, and for Node's pool; and what looks like small numbers: two letters in each word.
held.large = new Buffer(repeated(83, 50000));
held.sparse = new Uint32Array(20000);
repeated(84, 20000).split('').slice(0, 20000).forEach(function (letter, i) { held.sparse[i] = letter.charCodeAt(0); });
held.store = new Uint8Array(new Buffer(repeated(85, 5000))).buffer;
if (typeof SharedArrayBuffer !== 'undefined') {
  held.shared = new SharedArrayBuffer(6000);
  new Uint8Array(held.shared).set(new Buffer(repeated(86, 6000)).slice(0, 6000));
}
// Longer than Node copies into the heap: these are external strings.
held.external = new Buffer(repeated(48, 1200000)).toString('binary');
held.externalWide = new Buffer(repeated(49, 1200000), 'ucs2').toString('ucs2');
held.cons = secret(50) + secret(51) + process.pid;
held.wide = '\u4e2d' + secret(52);
held.wideCons = held.wide + secret(53);
held.parsed = JSON.parse('{"keptKey": "' + secret(54) + '", "list": ["' + secret(55) + '"]}');
held.json = JSON.stringify({ keptKey: secret(56) });
held.symbol = Symbol(secret(57));
held.registered = Symbol.for(secret(58));
held.pattern = new RegExp(secret(59) + '+');
for (var i = 0; i < 100; i++) held.pattern.exec(repeated(60, 300));
held.joined = [secret(61), secret(62)].join('-');
held.error = new Error(secret(63));
held.stack = held.error.stack;
if (typeof TextDecoder !== 'undefined') held.decoded = new TextDecoder().decode(new Uint8Array(new Buffer(secret(64))));
held.slice = repeated(65, 200).slice(21, 90);
held.closure = (function (captured) { return function () { return captured; }; })(secret(66));
held.promise = Promise.resolve(secret(67));
held.upper = secret(68).toUpperCase();
held.split = repeated(69, 400).split(' ');
held.replaced = secret(70).replace(/[a-f]/g, 'zz');
held.weak = new WeakMap([[held, secret(71)]]);
held.date = new Date(secret(72));
held.bound = String.prototype.concat.bind(secret(73), secret(74));
held.url = require('url').parse('https://' + secret(75) + '.example/' + secret(76));
held.query = require('querystring').parse('keptName=' + secret(77));
// Internalized, but no name of anything: looked up, not defined.
held.internalized = secret(78);
held.found = {}[held.internalized];
held.number = [];
for (i = 0; i < 50; i++) held.number.push(String(987654000 + i + 0.5));
process.title = secret(79).slice(0, 15);
var dead = [];
for (i = 0; i < 20000; i++) dead.push(flat(secret(80) + i));
dead = dead.slice(0, 100);
if (typeof gc === 'function') gc();
for (i = 0; i < 3000; i++) dead.push(flat(secret(81) + i));
dead = null;

process.stdout.write('READY {}\n');
// Blocked in a system call, with the path on the native stack.
setTimeout(function deepFunction() {
  var local = secret(82);
  require('fs').readFileSync(process.argv[2]);
  return local;
}, 50);
