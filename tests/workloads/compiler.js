'use strict';
// The TypeScript compiler with a program that it has checked: its own declarations and the language's, as an editor keeps
// them.
//
//   node compiler.js --modules DIR    DIR holds node_modules with typescript; READY { files }
var path = require('path');
var protocol = require('./protocol');

var modules = path.join(path.resolve(protocol.option('modules', '.')), 'node_modules');
var ts = require(path.join(modules, 'typescript'));
var file = path.join(modules, 'typescript', 'lib', 'typescript.d.ts');
var program = protocol.keep(ts.createProgram([file], { target: ts.ScriptTarget.ES2022, noEmit: true, types: [] }));
ts.getPreEmitDiagnostics(program);
protocol.ready({ files: program.getSourceFiles().length }, {});
