'use strict';
// A context that lives as long as the process collects what every request adds to it. On Node 12.17 and later.
var AsyncLocalStorage = require('async_hooks').AsyncLocalStorage;
var leak = require('./leak');

var requests = new AsyncLocalStorage();

class RequestContext {
  constructor() {
    this.breadcrumbs = [];
  }
}

function breadcrumb(i) {
  requests.getStore().breadcrumbs.push(leak.payload(i));
}

requests.run(new RequestContext(), function serve() {
  leak.run(__filename, { accumulates: 'Array', holder: ['breadcrumbs', 'RequestContext', 'requests'], contents: 'Object' }, breadcrumb, 30000);
});
