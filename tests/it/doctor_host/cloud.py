"""What stands around an instance of EC2: the metadata service at 169.254.169.254 (IMDSv2 alone), and the way from the
public address 198.51.100.20 to the instance at 10.9.0.2. The argument says what is wrong: nothing, `silent` (port 443
is let in nowhere), `closed` (nothing there), `other` (somebody else), `no-metadata`."""

import http.server
import socket
import sys
import threading

WRONG = sys.argv[1]
TOKEN = "AQAEANtest=="


class Metadata(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def say(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        fits = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.say(200, TOKEN) if fits else self.say(400, "")

    def do_GET(self):
        if self.headers["X-aws-ec2-metadata-token"] != TOKEN:
            self.say(401, "")
        elif self.path == "/latest/meta-data/public-ipv4":
            self.say(200, "198.51.100.20")
        else:
            self.say(404, "")

    def log_message(self, *_):
        pass


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def lead(listener, port):
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("10.9.0.2", port))
        for pair in ((client, server), (server, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def listen(port):
    listener = socket.create_server(("198.51.100.20", port), backlog=64)
    listener.settimeout(None)
    return listener


kept = []
for port in (443, 80):
    if WRONG == "closed" and port == 443:
        continue
    listener = listen(port)
    if WRONG == "silent" and port == 443:
        kept.append(listener)
    elif WRONG == "other" and port == 443:
        server = http.server.HTTPServer(("198.51.100.20", 0), Metadata, bind_and_activate=False)
        server.socket = listener
        threading.Thread(target=server.serve_forever, daemon=True).start()
    else:
        threading.Thread(target=lead, args=(listener, port), daemon=True).start()
metadata = None
if WRONG != "no-metadata":
    metadata = http.server.ThreadingHTTPServer(("169.254.169.254", 80), Metadata)
print("ready", flush=True)
if metadata:
    metadata.serve_forever()
threading.Event().wait()
