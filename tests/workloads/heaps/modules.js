'use strict';
// Packages from the folder that `--modules DIR` names: see package.json.
var path = require('path');
var option = require('../protocol').option;

exports.dir = path.resolve(option('modules', '.'), 'node_modules');
exports.file = function file() {
  return path.join.apply(path, [exports.dir].concat(Array.prototype.slice.call(arguments)));
};
exports.load = function load(name) { return require(exports.file(name)); };
