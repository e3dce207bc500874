'use strict';
// A cache without a bound.
var leak = require('./leak');

class Profile {
  constructor(i) {
    this.user = 'user-' + i;
    this.details = leak.payload(i);
  }
}

var profiles = new Map();

function rememberProfile(i) {
  profiles.set('profile:' + i, new Profile(i));
}

leak.run(__filename, { accumulates: 'Map', holder: ['profiles', 'rememberProfile'], contents: 'Profile' }, rememberProfile, 20000);
