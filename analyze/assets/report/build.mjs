// Bundles the page's script and style into report.min.js and report.min.css, and writes down whose code is in them.
import {build} from 'esbuild';
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';

const result = await build({
  entryPoints: {'report.min': 'src/main.js'},
  outdir: '.',
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['es2020'],
  charset: 'utf8',
  legalComments: 'none',
  metafile: true,
  logLevel: 'error',
});
await build({
  entryPoints: {'report.min': 'src/style.css'},
  outdir: '.',
  bundle: true,
  minify: true,
  target: ['chrome111', 'firefox113', 'safari16.4'],
  charset: 'utf8',
  logLevel: 'error',
});

const inside = new Set();
for (const output of Object.values(result.metafile.outputs)) {
  for (const [path, part] of Object.entries(output.inputs)) {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
    if (found && part.bytesInOutput > 0) inside.add(found[1]);
  }
}
let text = 'What report.min.js has in it besides the code of this project.\n';
for (const name of [...inside].sort()) {
  const folder = `node_modules/${name}`;
  const {version, license, repository} = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
  const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
  if (!file) throw new Error(`${name} has no licence file`);
  const address = (repository.url || repository).replace(/^git\+/, '').replace(/\.git$/, '');
  text += `\n${'-'.repeat(80)}\n${name} ${version} (${license}), ${address}\n\n${readFileSync(`${folder}/${file}`, 'utf8').trim()}\n`;
}
writeFileSync('THIRD-PARTY.txt', text);
