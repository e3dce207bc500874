#!/usr/bin/env node
'use strict';

require('../lib/binary.js').exec('v8mini');
