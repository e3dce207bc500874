'use strict';
// A webpack build that stays, as in watch mode: modules, graphs, sources of three, lodash, RxJS and date-fns.
//
//   node webpack.js --packages DIR    DIR holds node_modules; READY { modules }
var path = require('path');
var fs = require('fs');
var protocol = require('../protocol');
var root = path.resolve(protocol.option('packages', '.'));
var load = require('module').createRequire(path.join(root, 'package.json'));
var webpack = load('webpack');

fs.writeFileSync(path.join(root, 'entry.mjs'),
  'import * as three from "three"; import * as lodash from "lodash-es"; import * as rx from "rxjs"; import * as dates from "date-fns";\n' +
  'console.log(three, lodash, rx, dates);\n');
var compiler = webpack({
  mode: 'production',
  context: root,
  entry: './entry.mjs',
  devtool: 'source-map',
  output: {
    path: path.join(root, 'built'),
    // The default is computed by WebAssembly, of which gcore writes gigabytes of reserved address space.
    hashFunction: 'sha256'
  },
  optimization: { minimize: false }
});
compiler.run(function (error, stats) {
  if (error) throw error;
  protocol.keep(compiler);
  protocol.keep(stats);
  protocol.ready({ modules: stats.compilation.modules.size }, {});
});
