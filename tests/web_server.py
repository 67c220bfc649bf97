"""A web server on this machine, for as long as a test needs it."""

import http.server
import threading
from contextlib import contextmanager


@contextmanager
def serving(handler):
    """Serve with a handler and yield the server's address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()
