'use strict';
// Requests wait for an answer that never comes: all of them wait for one promise.
var leak = require('./leak');

class Upstream {
  constructor() {
    this.connected = new Promise(function neverResolved() {});
  }
}

var upstream = new Upstream();

function forward(i) {
  var request = leak.payload(i);
  upstream.connected.then(function whenConnected() { return request; });
}

leak.run(__filename, { accumulates: 'Promise', holder: ['upstream', 'Upstream', 'connected', 'forward', 'whenConnected'], contents: 'PromiseReaction' }, forward, 20000);
