'use strict';
// A TypeScript program as a checker or an editor holds it: syntax trees, symbols and types of webpack's, three's, RxJS's and
// date-fns' declarations, checked.
//
//   node typescript.js --packages DIR    DIR holds node_modules; READY { files, diagnostics }
var path = require('path');
var protocol = require('../protocol');
var root = path.resolve(protocol.option('packages', '.'));
var load = require('module').createRequire(path.join(root, 'package.json'));
var ts = load('typescript');

var entry = path.join(root, 'entry.ts');
var host = ts.createCompilerHost({});
var source = [
  'import webpack from "webpack"; import * as three from "three"; import * as rx from "rxjs"; import * as dates from "date-fns";',
  'export const all = [webpack, three, rx, dates];',
].join('\n');
var read = host.readFile, exists = host.fileExists, get = host.getSourceFile;
host.fileExists = function (file) { return path.resolve(file) === entry || exists.call(host, file); };
host.readFile = function (file) { return path.resolve(file) === entry ? source : read.call(host, file); };
host.getSourceFile = function (file, target) {
  return path.resolve(file) === entry ? ts.createSourceFile(file, source, target) : get.apply(host, arguments);
};
var program = ts.createProgram([entry], {
  target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
  esModuleInterop: true, noEmit: true, types: []
}, host);
var diagnostics = ts.getPreEmitDiagnostics(program);
protocol.keep(program);
protocol.keep(diagnostics);
protocol.ready({ files: program.getSourceFiles().length, diagnostics: diagnostics.length }, {});
