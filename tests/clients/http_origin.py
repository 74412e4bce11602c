"""An origin made with Python's `http.server`: it says what it got, redirects, and streams.

GET  /fields    the request's fields, as JSON
GET  /stream    4 MiB in chunks
GET  /redirect  on to /fields; any other method to /digest, with 307
*    /digest    how many octets the content has, and their SHA-256
"""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = bytes(range(256)) * 256


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, content, *fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def content(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline() != b"\r\n":
            pass

    def do_GET(self):
        if self.path == "/fields":
            self.answer(200, json.dumps(self.headers.items()).encode())
        elif self.path == "/redirect":
            self.answer(302, b"", ("Location", "/fields"))
        elif self.path == "/stream":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(64):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.answer(404, b"")

    def do_POST(self):
        digest, count = hashlib.sha256(), 0
        for piece in self.content():
            digest.update(piece)
            count += len(piece)
        if self.path == "/redirect":
            self.answer(307, b"", ("Location", "/digest"))
        else:
            framing = "chunked" if "Transfer-Encoding" in self.headers else "length"
            self.answer(200, f"{count} {digest.hexdigest()}\n".encode(), ("X-Framing", framing))

    do_PUT = do_POST

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("listening on {}:{}".format(*server.server_address), flush=True)
server.serve_forever()
