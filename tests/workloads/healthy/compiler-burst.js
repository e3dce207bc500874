'use strict';
// Works in bursts, as a compiler does: a large tree is built, visited, and dropped for its result.
var protocol = require('../protocol');

class Node {
  constructor(kind, children) {
    this.kind = kind;
    this.children = children;
    this.type = null;
  }
}

function parse(depth) {
  var children = [];
  if (depth > 0) for (var i = 0; i < 6; i++) children.push(parse(depth - 1));
  return new Node('k' + depth % 5, children);
}

function check(node) {
  node.type = 'type of ' + node.kind;
  return 1 + node.children.reduce(function (sum, child) { return sum + check(child); }, 0);
}

var symbols = new Map();
var results = [];

function compile() {
  var tree = parse(6);
  symbols.clear();
  for (var i = 0; i < 300; i++) symbols.set('symbol-' + i, { uses: i });
  results = [check(tree), symbols.size];
}

compile();
compile();
protocol.collect();
protocol.ready({ nodes: results[0] }, {
  more: function (argument, reply) {
    for (var i = 0; i < 2; i++) compile();
    protocol.collect();
    reply({ nodes: results[0] });
  }
});
