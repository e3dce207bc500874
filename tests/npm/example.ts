// A program as a user of the npm package writes it: compiled with all checks, then run by tests/tests/release.rs.
//
//   node example.js PID FILE CLASS      prints what it found as JSON

import { capture, open, V8miniError } from 'v8mini';

async function main([pid, file, name]: string[]): Promise<void> {
  const captured = await capture(Number(pid), file);
  const heap = open(file);
  const histogram = await heap.histogram({ limit: 0 });
  const row = histogram.rows.find((row) => row.name === name && row.kind === 'instance');
  const instances = await heap.instances(name, { limit: 2 });
  const address = instances.instances[0].address;
  const value = await heap.inspect(address);
  const { paths } = await heap.path(address);
  const nothing = await heap.instances('NoSuchClass');
  const grown = await heap.diff(file, { limit: 1 });
  const stacks = await heap.bt();
  let error: string | null = null;
  try {
    await open('there is no such file').info();
  } catch (thrown) {
    if (!(thrown instanceof V8miniError)) throw thrown;
    error = `${thrown.code}: ${thrown.message}`;
  }
  let aborted: string | null = null;
  try {
    await heap.info({ signal: AbortSignal.abort() });
  } catch (thrown) {
    aborted = (thrown as Error).name;
  }
  console.log(JSON.stringify({
    file: captured.file,
    paused: captured.pause_ns > 0,
    count: row?.count,
    listed: instances.instances.length,
    class: value.class,
    properties: value.properties?.map((property) => property.name),
    root: paths[0].root,
    nothing: nothing.count,
    same: grown.same_process,
    threads: stacks.threads.length > 0,
    error,
    aborted,
  }));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
