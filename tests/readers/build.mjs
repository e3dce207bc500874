// Bundles the heap-snapshot worker of Chrome DevTools, which is published as TypeScript, into devtools.bundle.mjs.
import {build} from 'esbuild';

// What the build of DevTools generates, and the worker needs no part of.
const generated = {
  name: 'generated',
  setup(bundle) {
    bundle.onResolve({filter: /\/locales\.js$/}, () => ({path: 'locales', namespace: 'generated'}));
    bundle.onLoad({filter: /.*/, namespace: 'generated'}, () => ({
      contents: `export const LOCALES = ['en-US'], BUNDLED_LOCALES = ['en-US'], DEFAULT_LOCALE = 'en-US',
        REMOTE_FETCH_PATTERN = '', LOCAL_FETCH_PATTERN = '';`,
    }));
  },
};

await build({
  entryPoints: ['devtools.mjs'],
  outfile: 'devtools.bundle.mjs',
  bundle: true,
  platform: 'node',
  format: 'esm',
  plugins: [generated],
  logLevel: 'error',
});
