'use strict';
// Every request starts an interval that nobody clears.
var leak = require('./leak');

function handleRequest(i) {
  var request = leak.payload(i);
  setInterval(function heartbeat() { request.beats = 1; }, 1 << 28);
}

leak.run(__filename, { accumulates: 'TimersList', holder: ['heartbeat', 'handleRequest', 'timers'], contents: 'Timeout' }, handleRequest, 15000);
