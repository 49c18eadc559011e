"""Local HTTP server with configurable faults."""

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """HTTP server of contents by path, with a list of the requested paths."""

    daemon_threads = True

    def __init__(self, contents: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents = contents
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    """Request handler that applies the server's faults."""

    def do_GET(self):
        server = self.server
        server.requests.append(self.path)
        if len(server.requests) <= server.fail_first:
            self.send_error(500)
            return
        if len(server.requests) > 1 and server.then:
            server.contents = server.then
        if self.path not in server.contents:
            self.send_error(404)
            return
        content = server.contents[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content[: server.stop_after])
            self.wfile.flush()
            if server.stop_after is not None:
                time.sleep(server.stall)
        except ConnectionError:  # the client has disconnected
            return

    def log_message(self, *arguments):
        """Suppress the request log."""


@contextmanager
def serve(contents: dict[str, bytes], *, fail_first=0, stop_after=None, stall=0.0, then=None) -> Iterator[Server]:
    """Run a server.

    Args:
        fail_first: number of requests answered with status 500.
        stop_after: bytes after which a response ends, short of its Content-Length.
        stall: seconds to wait before such a response ends.
        then: contents from the second request on.
    """
    server = Server(contents)
    server.fail_first, server.stop_after, server.stall, server.then = fail_first, stop_after, stall, then
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
