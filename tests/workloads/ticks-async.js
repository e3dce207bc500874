'use strict';
// The part of ticks.js that Node.js 4 and 6 cannot read: an async function that waits for what is settled, and so goes on in a microtask.
async function waiter() {
  await null; // AWAIT waiter
}
exports.wait = waiter;
