// A client of the Model Context Protocol: `node mcp.mjs V8MINI FILE [LATER…]`. Does what an agent would, with the protocol's own
// library, and prints what came of it as JSON.
import {Client} from '@modelcontextprotocol/sdk/client/index.js';
import {StdioClientTransport} from '@modelcontextprotocol/sdk/client/stdio.js';

const [command, ...files] = process.argv.slice(2);
const transport = new StdioClientTransport({command, args: ['mcp', ...files], stderr: 'pipe'});
const client = new Client({name: 'test', version: '1.0.0'});
await client.connect(transport);

const {tools} = await client.listTools();
const call = async (name, args = {}) => {
  try {
    const result = await client.callTool({name, arguments: args});
    return {error: result.isError === true, text: result.content.map(part => part.text).join('\n')};
  } catch (error) {
    return {protocolError: error.code, text: error.message};
  }
};

// One object, found as an agent would find it.
const instances = await call('instances', {class: 'Session', limit: 2});
const address = /0x[0-9a-f]+/.exec(instances.text)?.[0];
const given = {
  instances: {class: 'Session', limit: 2},
  inspect: {address},
  path: {address},
  refs: {address},
  what: {address},
  print: {address: `${address}.id`},
  find: {string: '^customer-1', limit: 3},
  source: {what: 'leaky-service.js:44'},
  suspects: {all: true},
  tree: {limit: 3},
  sql: {query: "SELECT printf('0x%x', address) AS object, class FROM objects WHERE class = 'Session' LIMIT 2"},
};
const answers = {};
for (const {name} of tools) answers[name] = await call(name, given[name]);

// An answer in parts.
const parts = [];
for (let page = 1; ; page++) {
  const part = await call('histogram', {limit: 0, page});
  if (part.error) {
    parts.push(part);
    break;
  }
  parts.push(part);
}

const wrong = {
  noTool: await call('rm'),
  noArgument: await call('histogram', {path: '/etc/passwd'}),
  output: await call('source', {what: '#0', as_loaded: false}),
  wrongType: await call('histogram', {limit: 'many'}),
  wrongPattern: await call('histogram', {filter: '('}),
  wrongAddress: await call('inspect', {address: 'zzz'}),
  missing: await call('inspect'),
  option: await call('instances', {class: '--help'}),
};
// Questions that are asked at the same time are all answered.
const together = await Promise.all([1, 2, 3, 4].map(limit => call('histogram', {limit})));

console.log(JSON.stringify({
  server: client.getServerVersion(),
  instructions: client.getInstructions(),
  tools, address, answers, parts, wrong, together,
}));
await client.close();
