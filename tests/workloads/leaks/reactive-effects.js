'use strict';
// Effects of a reactive state that are never stopped: the state knows them by a WeakMap, under each property.
var leak = require('./leak');

var targets = new WeakMap();
var active = null;

function track(target, key) {
  if (!active) return;
  var deps = targets.get(target);
  if (!deps) targets.set(target, deps = new Map());
  var dep = deps.get(key);
  if (!dep) deps.set(key, dep = new Set());
  dep.add(active);
}

class Effect {
  constructor(run) {
    active = this;
    this.run = run;
    run();
    active = null;
  }
}

var state = new Proxy({ user: 'ada' }, {
  get: function (target, key) {
    track(target, key);
    return target[key];
  }
});

function mount(i) {
  var element = leak.payload(i);
  new Effect(function update() { element.text = state.user; });
}

leak.run(__filename, { accumulates: 'Set', holder: ['Effect', 'update'], contents: 'Effect' }, mount, 15000);
