"""Datasets by digest, from each place they may come from."""

import contextlib
import hashlib
import http.server
import json
from pathlib import Path

import pytest
from helpers import TOY, git, make_repository, toy_recipe
from web_server import serving

from scaffold.datasets.fetch import fetch_datasets, place
from scaffold.errors import FetchError, RunError
from scaffold.recipes.catalogue import find_recipe

CONTENT = b"To be, or not to be\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REVISION = "c" * 40


class Handler(http.server.BaseHTTPRequestHandler):
    """A file, a redirect out of https, and as much of the Hub's protocol as one download needs."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self.path == "/text":
            self.answer(200, {})
        elif self.path == "/to-file":
            self.answer(302, {"Location": "file:///etc/hostname"})
        elif self.path == "/cut-short":
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")
        elif self.path == "/no-protocol":
            self.wfile.write(b"good day\r\n\r\n")
        elif self.path == "/odd-length":
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: many\r\n\r\nx")
        elif self.path == "/broken":
            self.broken()
        elif self.path == "/to-http":
            self.answer(302, {"Location": "http://insecure.example/text"})
        elif self.path == f"/datasets/ada/plays/resolve/{REVISION}/input.txt":
            self.answer(200, {"X-Repo-Commit": REVISION, "ETag": f'"{SHA256}"'})
        else:
            self.answer(404, {"X-Error-Code": "EntryNotFound"})

    def broken(self):
        """Answer with half of it, then, asked for a range, with the rest."""
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(CONTENT):
            self.answer(416, {})
            return
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:] if asked else CONTENT[: len(CONTENT) // 2])

    def answer(self, status, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(CONTENT))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with serving(Handler) as address:
        yield address


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetch(tmp_path, dataset, name="recipe", **options):
    placed = {
        "name": "plays",
        "license": "none stated",
        "sha256": SHA256,
        "place": "data/input.txt",
        **dataset,
    }
    claims = [{**CLAIM, "dataset": "plays"}]
    folder = toy_recipe(tmp_path / name, {"train.py": TOY}, datasets=[placed], claims=claims)
    if "file" in dataset:
        (folder / "data").mkdir()
        (folder / dataset["file"]).write_bytes(CONTENT)
    found = find_recipe(str(folder))
    files = fetch_datasets(found.recipe, found.folder, **options)
    return found.recipe.placed_datasets()[0], files["plays"]


CLAIM = {
    "metric": "accuracy",
    "basis": "training",
    "value": 0.9,
    "source": {"url": "u", "words": "w"},
}


def test_file_of_the_recipe_is_placed_read_only(tmp_path, cache):
    dataset, file = fetch(tmp_path, {"file": "data/x.txt"})
    place(dataset, file, tmp_path)
    placed = tmp_path / "data/input.txt"
    assert placed.read_bytes() == CONTENT and placed.stat().st_mode & 0o222 == 0
    with pytest.raises(RunError, match="already has data/input"):
        place(dataset, file, tmp_path)


def test_place_does_not_follow_a_link_out(tmp_path, cache):
    dataset, file = fetch(tmp_path, {"file": "data/x.txt"})
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/data").symlink_to(tmp_path)
    with pytest.raises(RunError, match="leads out of the reference"):
        place(dataset, file, tmp_path / "tree")


def test_url_with_progress_and_from_the_cache_afterwards(tmp_path, cache, server):
    seen = []
    _, file = fetch(tmp_path, {"url": f"{server}/text"}, on_bytes=lambda *args: seen.append(args))
    assert file.read_bytes() == CONTENT and seen == [("plays", len(CONTENT), len(CONTENT))]
    assert fetch(tmp_path, {"url": f"{server}/gone"}, "second", offline=True)[1] == file


@pytest.mark.parametrize(
    ("dataset", "verdicts"),
    [
        ({"url": "{server}/gone"}, "404"),
        ({"url": "{server}/to-file"}, "is not allowed"),
        ({"url": "{server}/to-http"}, "which is not https"),
        ({"url": "{server}/text", "sha256": "0" * 64}, "has sha256"),
        (
            {"hub": "ada/plays", "revision": REVISION, "path": "missing.txt"},
            "the Hub does not give",
        ),
    ],
)
def test_what_cannot_be_had_leaves_nothing(tmp_path, cache, server, monkeypatch, dataset, verdicts):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server)
    template = f"{server}/{{repo_id}}/resolve/{{revision}}/{{filename}}"  # made of it at the import
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    dataset = {key: value.replace("{server}", server) for key, value in dataset.items()}
    with pytest.raises(FetchError, match=verdicts):
        fetch(tmp_path, dataset)
    assert list((cache / "mlloop-new/data").iterdir()) == []


@pytest.mark.parametrize("begun", [b"", b"another file", CONTENT * 2])
def test_a_download_that_broke_off_goes_on(tmp_path, cache, server, begun):
    data = cache / "mlloop-new/data"
    data.mkdir(parents=True)
    if begun:
        (data / f"{SHA256}.part").write_bytes(begun)
    else:
        with pytest.raises(FetchError, match="ended after"):
            fetch(tmp_path, {"url": f"{server}/broken"})
        assert (data / f"{SHA256}.part").read_bytes() == CONTENT[: len(CONTENT) // 2]
    with contextlib.suppress(FetchError):  # of another file it begins anew, and breaks off again
        fetch(tmp_path, {"url": f"{server}/broken"})
    _, file = fetch(tmp_path, {"url": f"{server}/broken"})
    assert file.read_bytes() == CONTENT
    assert not list(data.glob("*.part"))


def test_offline_says_so(tmp_path, cache, server):
    with pytest.raises(FetchError, match="--offline forbids"):
        fetch(tmp_path, {"url": f"{server}/text"}, offline=True)


def test_hub(tmp_path, cache, server):
    import subprocess
    import sys

    program = (
        "import json, sys; from pathlib import Path\nfrom scaffold.recipes.catalogue import"
        " find_recipe; from scaffold.datasets.fetch import fetch_datasets\nfound ="
        " find_recipe(sys.argv[1])\nprint(json.dumps({k: str(v) for k, v in"
        " fetch_datasets(found.recipe, found.folder).items()}))\n"
    )
    placed = {
        "name": "plays",
        "license": "x",
        "sha256": SHA256,
        "place": "input.txt",
        "hub": "ada/plays",
        "revision": REVISION,
        "path": "input.txt",
    }
    folder = toy_recipe(
        tmp_path / "recipe", datasets=[placed], claims=[{**CLAIM, "dataset": "plays"}]
    )
    import os

    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "HF_ENDPOINT": server,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        },
    )
    assert Path(json.loads(done.stdout)["plays"]).read_bytes() == CONTENT


def test_file_of_another_git_revision_fetches_only_that_file(tmp_path, cache):
    repository = tmp_path / "upstream"
    revision = make_repository(repository, {"data/input.txt": CONTENT, "big.bin": b"\0" * 100_000})
    dataset = {"git": f"file://{repository}", "revision": revision, "path": "data/input.txt"}
    assert fetch(tmp_path, dataset)[1].read_bytes() == CONTENT
    (cached,) = (cache / "mlloop-new/git").glob("*.git")
    missing = git(cached, "rev-list", "--objects", "--missing=print", revision)
    assert f"?{git(repository, 'rev-parse', f'{revision}:big.bin')}" in missing
    with pytest.raises(FetchError, match="has no file 'data/other"):
        fetch(tmp_path, {**dataset, "path": "data/other.txt", "sha256": "1" * 64}, "other")


@pytest.mark.parametrize(
    ("path", "verdicts"),
    [
        ("cut-short", "ended after 9 of 1000 bytes"),
        ("no-protocol", "BadStatusLine"),
        ("odd-length", "ValueError"),
    ],
)
def test_server_that_does_not_keep_to_the_protocol(tmp_path, server, path, verdicts):
    dataset = {
        "name": "nothing",
        "url": f"{server}/{path}",
        "sha256": "0" * 64,
        "place": "x",
        "license": "x",
    }
    recipe = find_recipe(str(toy_recipe(tmp_path / "recipe", datasets=[dataset])))
    with pytest.raises(FetchError, match=verdicts):
        fetch_datasets(recipe.recipe, recipe.folder)


def test_a_file_that_was_edited_is_not_run_with_what_the_cache_has(tmp_path, cache):
    fetch(tmp_path, {"file": "data/x.txt"})
    (tmp_path / "recipe/data/x.txt").write_bytes(CONTENT + b"more\n")
    digest = hashlib.sha256(CONTENT + b"more\n").hexdigest()
    found = find_recipe(str(tmp_path / "recipe"))
    with pytest.raises(FetchError, match="not the file that its sha256 pins") as refused:
        fetch_datasets(found.recipe, found.folder)
    assert digest in refused.value.hint
