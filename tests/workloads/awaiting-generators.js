'use strict';
// The part of awaiting.js that Node 8 cannot parse.
async function* numbers(gate) {
  await gate; // AWAIT numbers
  yield 1;
}
async function consume(gate) {
  for await (const number of numbers(gate)) { // AWAIT consume
    console.log(number);
  }
}
exports.start = function start(gate) {
  consume(gate).catch(function onFailure() {});
};
