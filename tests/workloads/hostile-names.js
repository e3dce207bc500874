'use strict';
// Classes, functions, properties and strings whose names try to get out of a page that shows them. Runs on Node 10 to 26.
//
//   node hostile-names.js
//
// READY { names: [class], count: instances of each }; the command `more N` adds so many instances of each.
var protocol = require('./protocol');

var NAMES = [
  '</script><script>window.hacked = 1</script>',
  '"><img src=x onerror="window.hacked = 1">',
  '<script>window.hacked = 1</script>',
  '<!--<script>',
  ']]></style><svg onload="window.hacked = 1">',
  "');window.hacked = 1;//",
  'javascript:window.hacked=1',
  '${window.hacked = 1}{{window.hacked = 1}}',
  'line\u2028paragraph\u2029end',
  'turned \u202eright to left',
  '&lt;b&gt;&amp;&#60;i&#62;',
  '=HYPERLINK("http://evil.example/")',
  '__proto__x', 'constructor', 'toString',
  '\u0000\u0001\u001b[31m',
  'long ' + new Array(20000).join('<b>')
];

var living = protocol.keep({ instances: [], texts: [] });
var classes = NAMES.map(function (name) {
  // A key that the compiler knows names the class for V8, too; one that is computed would not.
  var key = JSON.stringify(name);
  var source = '({ ' + key + ': class { constructor(i) { this[' + key + '] = i; this.text = ' + key + ' + " " + i; } } })';
  return (0, eval)(source)[name];
});
function add(count) {
  for (var i = 0; i < count; i++) {
    classes.forEach(function (hostile) { living.instances.push(new hostile(i)); });
  }
}
add(500);
protocol.collect();
protocol.ready({ names: NAMES, count: 500 }, {
  more: function (count, reply) {
    add(+count);
    protocol.collect();
    reply({ added: +count });
  }
});
