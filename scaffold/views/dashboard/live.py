"""Serve the page while runs go on: it is made anew when the project changed, and told of it.

Only for this machine unless an address is named; then whoever has no token is refused.
"""

import hashlib
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from scaffold.errors import MachineError, ScaffoldError, UsageError
from scaffold.project.project import Project
from scaffold.running.unfinished import RUN_FOLDERS, unfinished_runs
from scaffold.status.cache import fingerprint
from scaffold.views.dashboard.facts import gather
from scaffold.views.dashboard.page import make_page

_POLL_S = 0.5
_QUIET_S = 15.0
"""After so long a comment is sent, so that a stream whose reader is gone ends."""

_OWN_NAMES = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""What a browser on this machine, or behind an SSH tunnel, calls it. Any other name may be one that
a stranger's page gave this address (DNS rebinding)."""


class LiveDashboard:
    """The present page of a project, and what tells when it is another one."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._made_of, self._page = "", ""

    def stamp(self) -> str:
        """Return what changes when the page would."""
        marks = hashlib.sha256(repr(fingerprint(self._project)).encode())
        for path in self._watched():
            try:
                seen = path.stat(follow_symlinks=False)
            except OSError:
                continue
            marks.update(f"{path}\0{seen.st_mtime_ns}\0{seen.st_size}\0".encode())
        return marks.hexdigest()[:16]

    def _watched(self) -> Iterator[Path]:
        """Yield what the page shows besides what the status depends on."""
        root, state = self._project.root, self._project.scaffold_dir
        yield state / "lock"
        yield from sorted((root / "sweeps").glob("*"))
        for name in RUN_FOLDERS:
            yield from sorted((state / name).glob("*"))
        for run in unfinished_runs(self._project):
            yield run.folder

    def page(self) -> str:
        """Return the page; made only where something changed since.

        Raises:
            ScaffoldError: the project cannot be read just now.
        """
        with self._lock:
            stamp = self.stamp()
            if stamp != self._made_of:
                self._page = make_page(gather(self._project), live=stamp)
                self._made_of = stamp
            return self._page


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], live: LiveDashboard, token: str) -> None:
        self.live, self.token = live, token
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)
        self.cookie = f"token-{self.server_address[1]}"  # browsers give it to every port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing of a reader that is gone; else what socketserver prints."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer with the page, or with the stream of its changes."""
        parts = urlsplit(self.path)
        if not self._is_allowed():
            self._send(HTTPStatus.FORBIDDEN, "text/plain", "not for you\n")
        elif self.server.token and "token" in parse_qs(parts.query):
            # Out of the address bar, and so out of histories and pictures.
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header(
                "Set-Cookie",
                f"{self.server.cookie}={self.server.token}; HttpOnly; SameSite=Lax; Path=/",
            )
            self.send_header("Location", "/")
            self.end_headers()
        elif parts.path == "/":
            self._send_page()
        elif parts.path == "/changes":
            self._stream()
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "there is only /\n")

    def _is_allowed(self) -> bool:
        if not self.server.token:
            hosts = self.headers.get_all("Host", [])
            return len(hosts) == 1 and _OWN_NAMES.fullmatch(hosts[0]) is not None
        sent = parse_qs(urlsplit(self.path).query).get("token", [])
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self.server.cookie)
        sent += [cookie.value] if cookie else []
        return any(secrets.compare_digest(one.encode(), self.server.token.encode()) for one in sent)

    def _send_page(self) -> None:
        try:
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.live.page())
        except ScaffoldError as error:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{error.message}\n")

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(content)

    def _stream(self) -> None:
        """Send the project's stamp whenever it is another one (server-sent events)."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        sent, sent_at = "", time.monotonic()
        try:
            while True:
                stamp = self.server.live.stamp()
                if stamp != sent or time.monotonic() - sent_at > _QUIET_S:
                    self.wfile.write(f"data: {stamp}\n\n".encode())
                    self.wfile.flush()
                    sent, sent_at = stamp, time.monotonic()
                time.sleep(_POLL_S)
        except OSError:
            return  # the reader is gone

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its interface
        """Print nothing: a page that is watched asks every second."""


def open_server(project: Project, host: str, port: int) -> tuple[ThreadingHTTPServer, str]:
    """Return a server that listens, and the address to open.

    Args:
        project: that is shown.
        host: an IP address or a name; other than loopback needs a token, which is in the address.
        port: 0 for any that is free.

    Raises:
        UsageError, MachineError: the address cannot be listened on.
    """
    try:
        is_own = host == "localhost" or ip_address(host).is_loopback
    except ValueError as error:
        raise UsageError(f"--host {host}: must be an IP address, or localhost") from error
    token = "" if is_own else secrets.token_urlsafe(24)
    try:
        server = _Server((host, port), LiveDashboard(project), token)
    except (OSError, OverflowError) as error:
        raise MachineError(
            f"cannot listen on {host}:{port}: {error}",
            hint="another port: --port 0 takes a free one",
        ) from error
    query = f"?token={token}" if token else ""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared
    shown = f"[{name}]" if ":" in name else name
    return server, f"http://{shown}:{server.server_address[1]}/{query}"
