'use strict';

const { spawn } = require('node:child_process');
const { find } = require('./lib/binary.js');

/** Exit status of an answer that is as incomplete as its input. */
const INCOMPLETE = 3;
/** Exit status of "there is nothing to show". */
const NOTHING_FOUND = 1;

/** A program that failed. */
class V8miniError extends Error {
  constructor(message, command, code, stderr) {
    super(message);
    this.name = 'V8miniError';
    this.command = command;
    this.code = code;
    this.stderr = stderr;
  }
}

/** `{ sort: 'count', limit: 5, retained: true, maxDepth: 3 }` as arguments. */
function flags(options) {
  const line = [];
  for (const [key, value] of Object.entries(options)) {
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === true) {
      line.push(flag);
    } else if (Array.isArray(value)) {
      line.push(...value.map((one) => `${flag}=${one}`));
    } else if (value !== false && value !== undefined && value !== null) {
      line.push(`${flag}=${value}`);
    }
  }
  return line;
}

/** Runs a program without a shell. Its JSON, or null if it wrote none. */
function run(program, line, signal) {
  return new Promise((resolve, reject) => {
    const child = spawn(find(program), line, { stdio: ['ignore', 'pipe', 'pipe'], signal });
    const [out, err] = [[], []];
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (chunk) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code, killed) => {
      const stderr = Buffer.concat(err).toString();
      const text = Buffer.concat(out).toString();
      const fail = (message) => reject(new V8miniError(message, [program, ...line], code, stderr));
      if (code === 0 || code === INCOMPLETE || (code === NOTHING_FOUND && text !== '')) {
        try {
          resolve(text === '' ? null : JSON.parse(text));
        } catch (error) {
          fail(`${program} wrote no JSON: ${error.message}`);
        }
      } else {
        fail(stderr.trim() || `${program} ended with ${code === null ? killed : `exit code ${code}`}`);
      }
    });
  });
}

/** A capture or an ELF core, as the commands of `v8mini` see it. Nothing is kept open. */
class Capture {
  constructor(file) {
    this.file = String(file);
  }

  /** What `v8mini COMMAND FILE ARGUMENTS… --OPTIONS… --json` answers. */
  query(command, positionals = [], options = {}) {
    const { signal, ...rest } = options;
    const line = [command, '--json', ...flags(rest), '--', this.file, ...positionals.map(String)];
    return run('v8mini', line, signal);
  }
}

// Commands about the whole.
for (const command of [
  'info', 'histogram', 'find', 'node', 'strings', 'waste', 'bt', 'dominators', 'tree', 'garbage', 'functions', 'scripts',
]) {
  Capture.prototype[command] = function (options) {
    return this.query(command, [], options);
  };
}
// Commands about a thing: a class, an address, a function.
for (const command of ['instances', 'inspect', 'source', 'what']) {
  Capture.prototype[command] = function (what, options) {
    return this.query(command, [what], options);
  };
}
// Commands about an object, or about all that an option names: refs(address), refs({ type: 'Session' }).
for (const command of ['path', 'refs']) {
  Capture.prototype[command] = function (what, options) {
    return typeof what === 'object' ? this.query(command, [], what) : this.query(command, [what], options);
  };
}
// Commands that compare with later captures of the same process.
for (const command of ['suspects', 'diff']) {
  Capture.prototype[command] = function (...later) {
    const options = typeof later.at(-1) === 'object' && !(later.at(-1) instanceof Capture) ? later.pop() : {};
    return this.query(command, later.map((one) => (one instanceof Capture ? one.file : one)), options);
  };
}

/** Opens a capture (.v8mini) or an ELF core. */
function open(file) {
  return new Capture(file);
}

/** Captures a process into a file, and says what that cost. Linux only. */
function capture(pid, output, options = {}) {
  const { signal, ...rest } = options;
  return run('v8mini-capture', [String(pid), '--json', `--output=${output}`, ...flags(rest)], signal);
}

module.exports = { open, capture, Capture, V8miniError };
