'use strict';
// The TypeScript compiler with a program that it has checked, as an editor's language server keeps it.
var modules = require('./modules');
var protocol = require('../protocol');
var ts = modules.load('typescript');

var program = ts.createProgram([
  modules.file('rxjs', 'dist', 'types', 'index.d.ts'),
  modules.file('webpack', 'types.d.ts'),
  modules.file('typescript', 'lib', 'typescript.d.ts'),
  modules.file('date-fns', 'index.d.ts'),
  modules.file('express', 'index.js'),
  modules.file('webpack', 'lib', 'index.js'),
], { allowJs: true, checkJs: true, maxNodeModuleJsDepth: 3, target: ts.ScriptTarget.ES2022, noEmit: true, types: [] });
protocol.keep(program);
var complaints = ts.getPreEmitDiagnostics(program).length;
protocol.ready({ files: program.getSourceFiles().length, complaints: complaints }, {});
