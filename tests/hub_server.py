"""As much of the Hugging Face Hub as one process needs: models and datasets out of memory.

Its answers are those of https://huggingface.co/docs/hub/api, as the client asks for them.
"""

import hashlib
import http.server
import json
import re
from contextlib import contextmanager

from web_server import serving

REVISION = "d" * 40
_API = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<name>[\w.-]+/[\w.-]+)(/revision/(?P<revision>[^?]+))?"
)
_FILE = re.compile(
    r"/(?P<kind>datasets/)?(?P<name>[\w.-]+/[\w.-]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"
)


class Hub:
    """Repositories by kind (`models`, `datasets`) and name: their files. `refused` are statuses.

    `listed` is what a search for models gives.
    """

    def __init__(self):
        self.models: dict[str, dict[str, bytes]] = {}
        self.datasets: dict[str, dict[str, bytes]] = {}
        self.refused: dict[str, tuple[int, str]] = {}
        self.asked: list[str] = []
        self.listed: list[dict[str, object]] = []

    def answer(self, path):
        """Return status, headers and body."""
        self.asked.append(path)
        if path.startswith("/api/models?"):
            if "list" in self.refused:
                return self.refused["list"][0], {}, b"{}"
            return 200, {"Content-Type": "application/json"}, json.dumps(self.listed).encode()
        path = path.partition("?")[0]
        match = _API.fullmatch(path) or _FILE.fullmatch(path)
        if not match:
            return 404, {}, b""
        name, revision = match["name"], match["revision"]
        if name in self.refused:
            status, code = self.refused[name]
            return status, {"X-Error-Code": code, "X-Error-Message": code}, b"{}"
        kind = "datasets" if match["kind"] in ("datasets", "datasets/") else "models"
        files = getattr(self, kind).get(name)
        if files is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        if revision not in (None, "main", REVISION):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        if path.startswith("/api/"):
            siblings = [
                {"rfilename": file, "size": len(content), "blobId": "0" * 40}
                for file, content in files.items()
            ]
            about = {
                "id": name,
                "sha": REVISION,
                "lastModified": "2024-03-01T00:00:00.000Z",
                "siblings": siblings,
                "tags": [],
            }
            return 200, {"Content-Type": "application/json"}, json.dumps(about).encode()
        content = files.get(match["path"])
        if content is None:
            return 404, {"X-Error-Code": "EntryNotFound"}, b"{}"
        etag = hashlib.sha256(content).hexdigest()
        return 200, {"X-Repo-Commit": REVISION, "ETag": f'"{etag}"'}, content


@contextmanager
def serve(hub):
    """Serve a hub on this machine and yield its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            status, headers, body = hub.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Handler) as address:
        yield address


def point_client_at(address, monkeypatch, tmp_path):
    """Let the client ask a server instead of the real Hub, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
