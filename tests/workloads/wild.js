'use strict';
// Calls an addon that crashes: `node wild.js ADDON`. Node 10 and later.
var addon = require(process.argv[2]);

function innermost(account) {
  return addon.crash(account) + 1;
}
function middle(account) {
  return innermost(account) + 1;
}
function outermost(account) {
  return [account].map(middle)[0];
}
setTimeout(function onTimer() { outermost({ owner: 'nobody' }); }, 10);
