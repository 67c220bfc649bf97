"""From the source distribution of a package to a recipe: unpacked, never built, never run."""

import hashlib
import http.server
import io
import json
import tarfile

import pytest
import yaml
from web_server import serving

from scaffold.authoring.drafting.cures import find_build_cure
from scaffold.errors import FetchError
from scaffold.references.package import has_wheel

NO_DATA = '{"name": "none", "generated": "zeros", "license": "none"}'
FILES = {
    "README.md": "# Tiny\n\nA classifier of texts, 91.5 % test accuracy.\n\n`python train.py`\n\nLicensed under the MIT license.\n",
    "setup.py": "raise SystemExit('built')\n",
    "train.py": (
        "import argparse\nimport torch\n\nparser = argparse.ArgumentParser()\n"
        'parser.add_argument("--lr", type=float, default=0.1)\nargs = parser.parse_args()\n'
        'torch.randn(1).backward()\nprint(f"test accuracy {100 * 0.9:.1f} %")\n'
    ),
}


def archive(members, links=()):
    """A gzipped tar of texts by their paths."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for path, text in members.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for path, target in links:
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return content.getvalue()


def below(folder, files=FILES):
    return {f"{folder}/{path}": text for path, text in files.items()}


class Index:
    """A package index: archives by name, as JSON or as HTML."""

    def __init__(self):
        self.archives = {
            "tiny-1.0.tar.gz": archive(below("tiny-1.0", {"README.md": "old"})),
            "tiny-1.1.tar.gz": archive(below("tiny-1.1")),
            "tiny-2.0b1.tar.gz": archive(below("tiny-2.0b1")),
            "tiny-1.2-py3-none-any.whl": b"",
        }
        self.is_json = True
        self.asked = []
        self.elsewhere = ""

    def page(self):
        digests = {name: hashlib.sha256(c).hexdigest() for name, c in self.archives.items()}
        if self.is_json:
            files = [
                {
                    "filename": name,
                    "url": f"../../files/{name}",
                    "hashes": {"sha256": digest},
                    "upload-time": "2024-02-03T04:05:06Z",
                }
                for name, digest in digests.items()
            ]
            return "application/vnd.pypi.simple.v1+json", json.dumps({"files": files})
        links = [f'<a href="/files/{n}#sha256={d}">{n}</a>' for n, d in digests.items()]
        return "text/html", "\n".join(links)


@pytest.fixture
def index(monkeypatch, tmp_path):
    index = Index()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            index.asked.append(self.path)
            name = self.path.rpartition("/")[2]
            if index.elsewhere:
                self.send_response(302)
                self.send_header("Location", index.elsewhere)
                self.end_headers()
                return
            if self.path == "/simple/tiny/":
                kind, text = index.page()
                content = text.encode()
            elif name in index.archives:
                kind, content = "application/gzip", index.archives[name]
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with serving(Handler) as address:
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
        monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield index


@pytest.mark.parametrize("is_json", [True, False])
def test_the_newest_final_release_is_drafted_and_made_a_project(cli, index, tmp_path, is_json):
    index.is_json = is_json
    cli("recipes", "draft", "pypi:Tiny", "-o", "draft")
    recipe = yaml.safe_load((tmp_path / "draft/recipe.yaml").read_text())
    reference = recipe["reference"]
    digest = hashlib.sha256(index.archives["tiny-1.1.tar.gz"]).hexdigest()
    assert (reference["package"], reference["version"]) == ("Tiny", "1.1")
    assert reference["sha256"] == digest
    assert recipe["claims"][0]["value"] == 91.5
    sources = json.loads((tmp_path / "draft/sources.json").read_text())
    assert sources["source"] == "pypi:Tiny==1.1"
    cli("recipes", "answer", "draft", "datasets.0", NO_DATA)
    cli("recipes", "check", "draft")
    project = cli.new("draft")
    assert (project / "reference/setup.py").read_text() == FILES["setup.py"]
    index.archives.clear()
    index.asked.clear()
    cli("new", "again", "--from", "draft", "--no-input", "--offline")
    refused = cli("recipes", "draft", "pypi:tiny", "-o", "other", "--offline", code=4)
    assert "--offline forbids" in refused.err
    assert index.asked == []


def test_an_index_whose_page_redirects_to_http_is_refused(cli, index):
    index.elsewhere = "http://example.org/simple/tiny/"
    refused = cli("recipes", "draft", "pypi:tiny", "-o", "d", code=4).err
    assert "redirects to http://example.org/simple/tiny/, which is not https" in refused


def test_a_release_may_be_named_and_what_is_not_there_is_said(cli, index):
    assert "there is no Python" in cli("recipes", "draft", "pypi:tiny==1.0", "-o", "d").out
    assert "it has 1.0, 1.1, 2.0b1" in cli("recipes", "draft", "pypi:tiny==3", code=4).err
    assert "404" in cli("recipes", "draft", "pypi:other", code=4).err
    assert "is not a version" in cli("recipes", "draft", "pypi:tiny==x!y", code=4).err
    assert "names no package" in cli("recipes", "draft", "pypi:", code=2).err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive({"../evil.py": "x"}), "'../evil.py'"),
        (archive(below("tiny-1.1"), [("tiny-1.1/link", "/etc/passwd")]), "not a plain file"),
        (archive({"train.py": "x"}), "not one folder for all"),
        (archive({**below("tiny-1.1"), "other/x.py": "x"}), "not one folder for all"),
        (b"no archive", "corrupt or truncated tar archive"),
        (archive({**below("tiny-1.1"), "tiny-1.1/.git/config": "x"}), ".git"),
    ],
)
def test_hostile_archives_are_refused(cli, index, tmp_path, content, message):
    index.archives["tiny-1.1.tar.gz"] = content
    refused = cli("new", "mine", "--from", "pypi:tiny", "--no-input", code=4)
    assert message in refused.err and "tiny-1.1" in refused.err
    assert not (tmp_path / "evil.py").exists() and not (tmp_path / "mine").exists()


def test_an_archive_that_changed_is_refused(cli, index, tmp_path):
    cli("recipes", "draft", "pypi:tiny", "-o", "draft")
    cli("recipes", "answer", "draft", "datasets.0", NO_DATA)
    index.archives["tiny-1.1.tar.gz"] = archive(below("tiny-1.1", {"train.py": "evil"}))
    for entry in (tmp_path / "cache/mlloop-new/data").iterdir():
        entry.unlink()
    refused = cli("new", "mine", "--from", "draft", "--no-input", code=4)
    assert "has sha256" in refused.err and not (tmp_path / "mine").exists()


def test_a_release_without_a_wheel_is_told_from_one_with(index):
    assert not has_wheel("tiny==1.1") and not has_wheel("tiny<1.2")
    assert has_wheel("tiny") and has_wheel("Tiny==1.2.*")
    with pytest.raises(FetchError, match="404"):
        has_wheel("another")


UNBUILT = """\
  cause: Because hydra-core==1.3.2 depends on tiny==1.1.* and you require hydra-core==1.3.2, ...
hint: Wheels are required for `tiny` because building from source is disabled for all packages
"""


@pytest.mark.parametrize(
    ("build", "wheels", "expected"),
    [((), False, ["tiny"]), ((), True, None), (("tiny",), False, None)],
)
def test_what_is_published_as_source_alone_is_built(build, wheels, expected):
    asked = []
    cure = find_build_cure(
        {"environment": {"build": list(build)}},
        UNBUILT,
        lambda requirement: bool(asked.append(requirement)) or wheels,
    )
    assert (cure.value if cure else None) == expected
    assert asked == ([] if build else ["tiny==1.1.*"])
