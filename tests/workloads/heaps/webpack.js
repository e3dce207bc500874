'use strict';
// A finished build of webpack that waits for changes.
var fs = require('fs');
var os = require('os');
var path = require('path');
var modules = require('./modules');
var protocol = require('../protocol');
var webpack = modules.load('webpack');

var dir = fs.mkdtempSync(path.join(os.tmpdir(), 'v8mini-webpack-'));
var entry = path.join(dir, 'entry.js');
fs.writeFileSync(entry, ['three', 'lodash-es', 'date-fns', 'rxjs'].map(function (name, i) {
  return 'import * as m' + i + ' from "' + name + '"; console.log(m' + i + ');';
}).join('\n'));
var compiler = webpack({
  mode: 'development',
  context: dir,
  entry: entry,
  devtool: false,
  resolve: { modules: [modules.dir] },
  // The usual function is WebAssembly with gigabytes of reserved addresses, which gcore writes out.
  output: { path: dir, hashFunction: 'sha256' },
});
protocol.keep(compiler);
compiler.run(function (error, stats) {
  if (error) throw error;
  protocol.keep(stats);
  fs.rmSync(dir, { recursive: true });
  protocol.ready({ modules: stats.compilation.modules.size, errors: stats.compilation.errors.length }, {});
});
