"""A server on loopback that can be told to misbehave."""

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """Serves contents by path, and remembers what it was asked for."""

    daemon_threads = True

    def __init__(self, contents: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents = contents
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests: list[str] = []
        self.ranges: list[str | None] = []
        self.sent = 0


class Handler(http.server.BaseHTTPRequestHandler):
    """One request, answered as badly as the server was told to."""

    def do_GET(self):
        server = self.server
        server.requests.append(self.path)
        server.ranges.append(self.headers["Range"])
        if len(server.requests) <= server.fail_first:
            self.send_error(500)
            return
        if len(server.requests) > 1 and server.then:
            server.contents = server.then
        if self.path not in server.contents:
            self.send_error(404)
            return
        if server.refuses_parts and (self.headers["Range"] or server.refuses_parts == "always"):
            self.send_error(416)
            return
        content = server.contents[self.path]
        version = f'"{hashlib.sha256(content).hexdigest()}"'
        start = 0
        if server.ranges_allowed and self.headers["Range"] and self.headers["If-Range"] == version:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            shown = start + 1 if server.wrong_part else start
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(server.claims or len(content) - start))
        self.send_header("ETag", version)
        self.end_headers()
        self._send(content[start:])

    def _send(self, content: bytes) -> None:
        server = self.server
        if server.stall_after is not None and server.stalls:
            server.stalls -= 1
            self.wfile.write(content[: server.stall_after])
            self.wfile.flush()
            time.sleep(2)
            return
        if server.cut_after is not None and server.cuts:
            server.cuts -= 1
            content = content[: server.cut_after]
        try:
            self.wfile.write(content)
        except ConnectionError:  # who lies about lengths may not be heard to the end
            return
        server.sent += len(content)

    def log_message(self, *arguments):
        """Be quiet."""


@contextmanager
def serve(
    contents: dict[str, bytes],
    *,
    fail_first=0,
    cut_after=None,
    cuts=99,
    stall_after=None,
    stalls=99,
    claims=None,
    ranges=True,
    wrong_part=False,
    then=None,
    refuses_parts=False,
) -> Iterator[Server]:
    """Run a server.

    Args:
        fail_first: requests answered by 500.
        cut_after: bytes after which an answer is cut off, `cuts` times.
        stall_after: bytes after which an answer stalls, `stalls` times.
        claims: a false length.
        ranges: whether parts may be asked for.
        wrong_part: whether an answer to that is labelled as another part.
        then: contents from the second request on.
        refuses_parts: whether asking for a part, or `always` for anything, is answered by 416.
    """
    server = Server(contents)
    server.fail_first, server.cut_after, server.cuts = fail_first, cut_after, cuts
    server.stall_after, server.stalls, server.claims = stall_after, stalls, claims
    server.ranges_allowed, server.wrong_part, server.then = ranges, wrong_part, then
    server.refuses_parts = refuses_parts
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
