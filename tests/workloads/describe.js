'use strict';
// Says what a value is, exactly, in JSON: numbers by their bits, strings by their code units. The language itself is
// the witness here; the tests compare what `v8mini inspect` reads from raw memory with it.
//
// What the language does not show (promise states, closure variables, weak entries, `#private` names) is noted with
// `hidden(value, truth)` where the value is made, and is merged into its description.
var secrets = new Map();

exports.hidden = function hidden(value, truth) {
  secrets.set(value, truth);
  return value;
};

// Longer strings are described by length and checksum: the truth stays small.
var LONGEST_LISTED = 600;

function hex(value, digits) {
  var text = value.toString(16);
  while (text.length < digits) text = '0' + text;
  return text;
}

// The 64 bits of a double as 16 hexadecimal digits, most significant first.
function bits(number) {
  var words = new Uint32Array(new Float64Array([number]).buffer);
  return hex(words[1], 8) + hex(words[0], 8);
}

// FNV-1a over the code units, 32 bits: easy to repeat in any language.
function checksum(text) {
  var hash = 0x811c9dc5;
  for (var i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hex(hash, 8);
}

function string(text) {
  var result = { kind: 'string', length: text.length };
  if (text.length > LONGEST_LISTED) {
    result.fnv1a = checksum(text);
    return result;
  }
  result.units = '';
  for (var i = 0; i < text.length; i++) result.units += hex(text.charCodeAt(i), 4);
  return result;
}

function symbolDescription(symbol) {
  return /^Symbol\(([^]*)\)$/.exec(Symbol.prototype.toString.call(symbol))[1];
}

// Own properties that are not elements, in the order in which the language lists them.
function properties(object, skip) {
  return Object.getOwnPropertyNames(object).concat(Object.getOwnPropertySymbols(object)).filter(function (key) {
    return typeof key === 'symbol' || (!/^(0|[1-9]\d*)$/.test(key) && skip.indexOf(key) < 0);
  }).map(function (key) {
    var property = Object.getOwnPropertyDescriptor(object, key);
    var named = typeof key === 'symbol' ? { symbol: string(symbolDescription(key)) } : { name: string(key) };
    if (property.get || property.set) {
      named.value = { kind: 'accessor', get: !!property.get, set: !!property.set };
    } else {
      named.value = describe(property.value);
    }
    return named;
  });
}

function elements(object) {
  return Object.keys(object).filter(function (key) { return /^(0|[1-9]\d*)$/.test(key); }).map(function (key) {
    return { index: +key, value: describe(object[key]) };
  });
}

function tag(value) {
  return Object.prototype.toString.call(value).slice(8, -1);
}

function object(value) {
  var result = { kind: 'object', class: value.constructor ? value.constructor.name : '' };
  var skip = [];
  if (Array.isArray(value)) {
    result.kind = 'array';
    result.length = value.length;
    skip = ['length'];
  } else if (value instanceof Map) {
    result.kind = 'map';
    result.entries = Array.from(value).map(function (entry) { return entry.map(describe); });
  } else if (value instanceof Set) {
    result.kind = 'set';
    result.members = Array.from(value).map(describe);
  } else if (value instanceof Date) {
    result.kind = 'date';
    result.bits = bits(value.getTime());
  } else if (value instanceof RegExp) {
    result.kind = 'regexp';
    result.source = string(value.source);
    result.flags = /\/([a-z]*)$/.exec(String(value))[1];
    result.lastIndex = value.lastIndex;
    skip = ['lastIndex'];
  } else if (value instanceof Error) {
    result.kind = 'error';
    result.message = string(value.message);
    skip = ['stack', 'message'];
  } else if (value instanceof ArrayBuffer) {
    result.kind = 'arraybuffer';
    result.byteLength = value.byteLength;
  } else if (value instanceof DataView) {
    result.kind = 'dataview';
    result.byteLength = value.byteLength;
    result.byteOffset = value.byteOffset;
  } else if (ArrayBuffer.isView(value)) {
    result.kind = 'typedarray';
    result.length = value.length;
    result.byteLength = value.byteLength;
    result.byteOffset = value.byteOffset;
    return result;
  } else if (['Number', 'String', 'Boolean', 'Symbol', 'BigInt'].indexOf(tag(value)) >= 0) {
    result.kind = 'boxed';
    result.value = describe(value.valueOf());
    if (tag(value) === 'String') return result;
  }
  result.elements = elements(value);
  result.properties = properties(value, skip);
  return result;
}

function describe(value) {
  var result;
  switch (typeof value) {
    case 'undefined': result = { kind: 'undefined' }; break;
    case 'boolean': result = { kind: 'boolean', value: value }; break;
    case 'number': result = { kind: 'number', bits: bits(value) }; break;
    case 'string': result = string(value); break;
    case 'symbol': result = { kind: 'symbol', description: string(symbolDescription(value)) }; break;
    case 'bigint': result = { kind: 'bigint', hex: value.toString(16) }; break;
    case 'function': result = { kind: 'function', name: string(value.name) }; break;
    default:
      if (value === null) result = { kind: 'null' };
      // A proxy would run its handler, and shows its target's face: only what was noted of it is true.
      else if (secrets.has(value) && secrets.get(value).opaque) result = {};
      else result = object(value);
  }
  var secret = secrets.get(value);
  if (secret) {
    Object.keys(secret).forEach(function (key) {
      if (key !== 'opaque') result[key] = secret[key];
    });
  }
  return result;
}

module.exports.describe = describe;
module.exports.string = string;
