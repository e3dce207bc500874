'use strict';
// Modules that are loaded under ever new names: require never forgets one.
var fs = require('fs');
var os = require('os');
var path = require('path');
var leak = require('./leak');

var folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plugins-'));

function load(i) {
  var file = path.join(folder, 'plugin' + i + '.js');
  fs.writeFileSync(file, 'exports.table = []; for (var i = 0; i < 40; i++) exports.table.push({ i: i, text: "p" + i });');
  require(file);
  fs.unlinkSync(file);
}

process.on('exit', function () { fs.rmdirSync(folder); });

leak.run(__filename, { accumulates: 'Object', holder: ['_cache'], contents: 'Module' }, load, 1500);
