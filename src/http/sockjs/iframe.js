// The hidden frame of a SockJS client of another site: what the client says is sent from here, as this server's own page
// may, and what comes is handed to the client. Messages between both are JSON {windowId, type, data}: the client says
// "s" (begin: [version, transport, session's address, base address]), "m" (send this string) and "c" (end); the frame
// says "s" (it is there), "t" (this came) and "c" ([code, reason]).
(function () {
  'use strict';

  var script = document.currentScript || document.getElementsByTagName('script')[0];
  var own = location.protocol + '//' + location.host;
  var allowed = (script.getAttribute('data-origins') || '').split(' ').concat(own);
  var windowId = location.hash.slice(1);
  var client = null;
  var transport = null;

  function tell(type, data) {
    var message = JSON.stringify({ windowId: windowId, type: type, data: data || '' });
    // That the frame is there, everybody may know.
    parent.postMessage(message, client || '*');
  }

  // A request; `chunk` is told all that came so far. Answers how to break it off.
  function ask(method, url, body, chunk, done) {
    var xhr = new XMLHttpRequest();
    xhr.open(method, url + (url.indexOf('?') < 0 ? '?' : '&') + 't=' + Date.now(), true);
    if (body) xhr.setRequestHeader('Content-Type', 'text/plain');
    xhr.onreadystatechange = function () {
      if (xhr.readyState === 3 && chunk && xhr.status === 200) chunk(xhr.responseText);
      if (xhr.readyState === 4) done(xhr.status, xhr.responseText);
    };
    xhr.send(body);
    return function () {
      xhr.onreadystatechange = null;
      xhr.abort();
    };
  }

  // What is to be sent goes in one request after the other, each with all that waits.
  function sender(url, failed) {
    var waiting = [];
    var busy = false;
    function next() {
      if (busy || waiting.length === 0) return;
      busy = true;
      var body = '[' + waiting.join(',') + ']';
      waiting = [];
      ask('POST', url + '/xhr_send', body, null, function (status) {
        busy = false;
        if (status !== 200 && status !== 204) failed(1006, 'Sending error: ' + status);
        else setTimeout(next, 25);
      });
    }
    return function (message) {
      waiting.push(message);
      next();
    };
  }

  // The ways to receive: each is told what to do with a frame and at the end, and answers how to stop.
  var ways = {
    'xhr-polling': function (url, frame, ended) {
      var abort = null;
      var last = '';
      (function again() {
        abort = ask('POST', url + '/xhr', null, null, function (status, text) {
          if (status !== 200) return ended(1006, 'permanent');
          var frames = text.split('\n');
          for (var at = 0; at < frames.length; at += 1) {
            if (frames[at]) frame((last = frames[at]));
          }
          if (last.charAt(0) !== 'c') again();
        });
      })();
      return function () { abort(); };
    },
    'eventsource': function (url, frame, ended) {
      var events = null;
      var timer = null;
      (function again() {
        events = new EventSource(url + '/eventsource');
        events.onmessage = function (event) { frame(decodeURI(event.data)); };
        events.onerror = function () {
          var isOver = events.readyState === 2;
          events.close();
          if (isOver) ended(1006, 'permanent');
          else timer = setTimeout(again, 200);
        };
      })();
      return function () {
        clearTimeout(timer);
        events.close();
      };
    },
    'htmlfile': function (url, frame, ended) {
      var held = null;
      var number = 0;
      var isStopped = false;
      window._jp = window._jp || {};
      function drop() {
        if (held) held.parentNode.removeChild(held);
        held = null;
      }
      (function again() {
        var name = 'a' + (number += 1);
        var hasBegun = false;
        window._jp[name] = {
          start: function () { hasBegun = true; },
          message: frame,
          stop: function () {
            delete window._jp[name];
            drop();
            if (!isStopped) setTimeout(again, 0);
          }
        };
        held = document.createElement('iframe');
        held.src = url + '/htmlfile?c=' + encodeURIComponent('_jp.' + name);
        held.onload = function () {
          // A page that came to its end without a beginning was another one: a refusal.
          if (!hasBegun && !isStopped) ended(1006, 'permanent');
        };
        document.body.appendChild(held);
      })();
      return function () {
        isStopped = true;
        drop();
      };
    }
  };

  function begin(name, url, base) {
    if (url.indexOf(own + '/') !== 0 || base.indexOf(own + '/') !== 0) throw new Error('another server: ' + url);
    if (name === 'iframe-info-receiver') {
      var asked = Date.now();
      var abort = ask('GET', url, null, null, function (status, text) {
        var info;
        try { info = status === 200 ? JSON.parse(text) : undefined; } catch (_) { info = {}; }
        tell('t', JSON.stringify([info, Date.now() - asked]));
      });
      return { send: function () {}, close: abort };
    }
    var stop = null;
    function ended(code, reason) {
      if (transport) tell('c', JSON.stringify([code, reason]));
      if (transport) transport.close();
      transport = null;
    }
    var send = sender(url, ended);
    stop = ways[name](url, function (frame) { tell('t', frame); }, ended);
    return { send: send, close: function () { stop(); } };
  }

  window.addEventListener('message', function (event) {
    if (event.source !== parent || allowed.indexOf(event.origin) < 0) return;
    var message;
    try { message = JSON.parse(event.data); } catch (_) { return; }
    if (!message || message.windowId !== windowId) return;
    client = event.origin;
    if (message.type === 's' && !transport) {
      var said = JSON.parse(message.data);
      transport = begin(said[1], said[2], said[3]);
    } else if (message.type === 'm' && transport) {
      transport.send(message.data);
    } else if (message.type === 'c' && transport) {
      transport.close();
      transport = null;
    }
  }, false);

  // The script stands in the head; what is held in frames needs the body.
  window.addEventListener('load', function () { tell('s'); }, false);
})();
