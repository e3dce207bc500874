'use strict';
// What Node.js knows of a process: handles, timers, emitters, modules; functions and their closures. The truth is what Node.js
// itself answers.
var EventEmitter = require('events');
var childProcess = require('child_process');
var dgram = require('dgram');
var net = require('net');
var protocol = require('./protocol.js');

function Radio() { EventEmitter.call(this); }
require('util').inherits(Radio, EventEmitter);
var radio = protocol.keep(new Radio());
radio.setMaxListeners(0);
for (var i = 0; i < 25; i++) radio.on('signal', function listener() { return i; });
radio.on('silence', function onSilence() {});

var secret = { answer: 42 };
function maker(number) {
  var hidden = 'hidden ' + number;
  return function made() { return hidden + number + secret.answer; };
}
var closures = protocol.keep([]);
for (i = 0; i < 100; i++) closures.push(maker(i));
closures[0]();
protocol.keep(function neverCalled() { return 1; });

// A function that is optimised where there is a compiler for it.
function hot(count) {
  var sum = 0;
  for (var at = 0; at < count; at++) sum += at % 7;
  return sum;
}
for (i = 0; i < 3000; i++) hot(3000);

setInterval(function everyHour() {}, 3600e3);
setTimeout(function inTwoHours() {}, 7200e3);
setTimeout(function inTwoHoursToo() {}, 7200e3);
setTimeout(function unrefed() {}, 5400e3).unref();
clearTimeout(setTimeout(function cancelled() {}, 1800e3));

var forever = protocol.keep(new Promise(function () {}));
protocol.keep(forever.then(function waitsForever(value) { return value; }));
try { protocol.keep(eval('(async function waiter() { await forever; })')()); } catch (error) { /* no async functions yet */ }

var server = net.createServer();
var udp = dgram.createSocket('udp4');
var child = childProcess.spawn(process.execPath, ['-e', 'process.stdin.on("data", function () {})']);
process.on('exit', function () { child.kill(); });

function names(list) { return list.map(function (item) { return item.constructor.name; }).sort(); }

udp.bind(0, '127.0.0.1');
server.listen(0, '127.0.0.1', function () {
  var socket = net.connect(server.address().port, '127.0.0.1', function () {
    protocol.keep(socket);
    // A handle that is closed again, with time for it to be gone.
    var closed = net.createServer().listen(0, '127.0.0.1', function () { closed.close(); });
    setTimeout(function () {
      protocol.collect();
      protocol.ready({
        versions: process.versions,
        release: process.release.name,
        argv: process.argv,
        execArgv: process.execArgv,
        execPath: process.execPath,
        platform: process.platform,
        arch: process.arch,
        modules: Object.keys(require.cache),
        handles: names(process._getActiveHandles()),
        listeners: radio.listeners('signal').length + radio.listeners('silence').length,
        closures: closures.length,
        line: maker.toString()
      }, {
        // Two turns later, when what closes at the end of the first is gone.
        handles: function (_, reply) {
          setImmediate(function () {
            setImmediate(function () { reply(names(process._getActiveHandles())); });
          });
        }
      });
    }, 200);
  });
});
