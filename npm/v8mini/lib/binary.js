'use strict';

// Finds the programs: npm has installed those for this machine as an optional dependency.

const { spawn } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');

const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

/** The path of a program. */
function find(program) {
  const platform = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.includes(platform)) {
    throw new Error(`v8mini: there are no programs for ${platform}, only for ${PLATFORMS.join(', ')}`);
  }
  if (program === 'v8mini-capture' && process.platform !== 'linux') {
    throw new Error('v8mini-capture: live processes can be captured on Linux only; captures can be analysed here with v8mini');
  }
  let manifest;
  try {
    manifest = require.resolve(`@v8mini/${platform}/package.json`);
  } catch {
    throw new Error(
      `v8mini: the package @v8mini/${platform}, which has the programs, is not installed: ` +
        'install v8mini again, on this machine and with optional dependencies (not --omit=optional, --no-optional)',
    );
  }
  return path.join(path.dirname(manifest), 'bin', program);
}

/** Runs a program in the place of this one. */
function exec(program) {
  let file;
  try {
    file = find(program);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 2;
    return;
  }
  const child = spawn(file, process.argv.slice(2), { stdio: 'inherit' });
  // The terminal sends them to both; what they mean is the program's to decide.
  process.on('SIGINT', () => {});
  process.on('SIGQUIT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    console.error(`${program}: cannot be run: ${error.message}`);
    process.exitCode = 2;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? code : 128 + os.constants.signals[signal];
  });
}

module.exports = { find, exec };
