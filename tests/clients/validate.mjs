// Holds answers against JSON Schemas: `node validate.mjs DIR`, with DIR/COMMAND.schema.json and DIR/COMMAND.*.json. Prints, as JSON,
// how many answers were held against each schema, and what is wrong with them.
//
// A published schema allows more fields than it names, because later versions may have them. Here none may be missing from it.
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';

const dir = process.argv[2];
const read = name => JSON.parse(readFileSync(join(dir, name), 'utf8'));

// Where a schema stands for a whole value, and not for a part of one that others complete.
const PARTS = ['allOf', 'anyOf', 'oneOf'];

function closeValue(schema) {
  if (typeof schema !== 'object' || schema === null) return;
  closeInside(schema);
  schema.unevaluatedProperties = false;
}

function closeInside(schema) {
  if (typeof schema !== 'object' || schema === null) return;
  for (const value of Object.values(schema.properties ?? {})) closeValue(value);
  for (const value of Object.values(schema.$defs ?? {})) closeInside(value);
  for (const part of PARTS) for (const value of schema[part] ?? []) closeInside(value);
  for (const value of schema.prefixItems ?? []) closeValue(value);
  if (schema.items) closeValue(schema.items);
  if (typeof schema.additionalProperties === 'object') closeValue(schema.additionalProperties);
}

const files = readdirSync(dir);
const held = {};
const problems = [];
for (const file of files.filter(name => name.endsWith('.schema.json'))) {
  const command = file.slice(0, -'.schema.json'.length);
  const published = read(file);
  const closed = structuredClone(published);
  closeValue(closed);
  held[command] = 0;
  // V8mini's numbers are named by the format that Rust gives them, which is no part of the standard.
  const options = {strict: true, strictRequired: false, strictTypes: false, allErrors: false, validateFormats: false};
  const validators = [published, closed].map(schema => new Ajv2020(options).compile(schema));
  for (const answer of files.filter(name => name.startsWith(`${command}.`) && name !== file)) {
    const value = read(answer);
    for (const validate of validators) {
      if (!validate(value)) {
        // Of a value that is of no kind there are errors for all kinds; the deepest ones tell most.
        const deepest = validate.errors.filter(error => error.keyword !== 'const').sort((a, b) => b.instancePath.length - a.instancePath.length);
        const errors = deepest.slice(0, 5).map(error => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
        problems.push(`${answer}: ${errors.join('; ')}`);
      }
    }
    held[command]++;
  }
}
console.log(JSON.stringify({held, problems}));
