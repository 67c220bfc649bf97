"""Archives, patches, paths, templates and texts of an untrusted that would write.

Run or show what they should not.
"""

import http.server
import io
import os
import re
import stat
import tarfile
import threading
import zipfile

import pytest
import yaml
from helpers import merged, toy_recipe, write_tree

from scaffold.errors import FetchError, ScaffoldError
from scaffold.project.digests import file_digest
from scaffold.references.archives import unpack
from scaffold.scaffolding.templates import render
from scaffold.views.tables import plain

# --- archives ------------------------------------------------------------------------------------


def zip_of(path, members: dict[str, bytes], mode: int = 0o100644):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, content)
    return path


def tar_of(path, *members: tarfile.TarInfo):
    with tarfile.open(path, "w:gz") as file:
        for member in members:
            file.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, **values) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


NAMES = [
    "../MARKER",
    "/MARKER",
    "a/../../MARKER",
    "..\\MARKER",
    "C:/MARKER",
    ".git/hooks/post-checkout",
    "con",
    "a\nb",
]


@pytest.mark.parametrize("name", NAMES)
def test_archive_members_that_leave_their_folder(tmp_path, name):
    into = tmp_path / "run" / "data"
    archives = [("zip", zip_of(tmp_path / "a.zip", {"fine": b"1", name: b"2"}))]
    archives.append(
        ("tar", tar_of(tmp_path / "a.tgz", member("fine", size=1), member(name, size=1)))
    )
    for kind, archive in archives:
        with pytest.raises(FetchError, match="has the member"):
            unpack(archive, kind, into)
    assert not into.exists() and os.listdir(tmp_path / "run") == []
    assert sorted(os.listdir(tmp_path)) == ["a.tgz", "a.zip", "run"]


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"9"],
)
def test_tar_members_that_are_no_files(tmp_path, kind):
    archive = tar_of(
        tmp_path / "a.tgz", member("link", type=kind, linkname="/etc", devmajor=1, devminor=3)
    )
    with pytest.raises(FetchError, match="'link', which is not a plain file"):
        unpack(archive, "tar", tmp_path / "into")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_zip_members_that_are_no_files(tmp_path, kind):
    with pytest.raises(FetchError, match="'link', which is not a plain file"):
        unpack(
            zip_of(tmp_path / "a.zip", {"link": b"/etc"}, kind | 0o777), "zip", tmp_path / "into"
        )


def test_archive_members_that_are_one_on_many_disks_or_both(tmp_path):
    with pytest.raises(FetchError, match="one name on many disks"):
        unpack(zip_of(tmp_path / "a.zip", {"Data": b"1", "data": b"2"}), "zip", tmp_path / "into")
    with pytest.raises(FetchError, match="a file and a folder of one name"):
        unpack(zip_of(tmp_path / "b.zip", {"a": b"1", "a/b": b"2"}), "zip", tmp_path / "into")


def test_archive_that_would_fill_the_disk(tmp_path, monkeypatch):
    from scaffold import machine

    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(200 << 20))
    monkeypatch.setattr(machine, "FREE_BYTES", machine.free_bytes(tmp_path) - (100 << 20))
    with pytest.raises(ScaffoldError, match="MB free"):
        unpack(tmp_path / "bomb.zip", "zip", tmp_path / "into")
    assert os.listdir(tmp_path) == ["bomb.zip"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archive_that_is_cut_short(tmp_path, kind):
    whole = (
        zip_of(tmp_path / "a", {"x": os.urandom(5000)})
        if kind == "zip"
        else tar_of(tmp_path / "a", member("x", size=5000))
    )
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(FetchError, match="corrupt or truncated"):
        unpack(whole, kind, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_archive_as_dataset(cli, tmp_path):
    read = """\
        import json, pathlib
        json.dump({"accuracy": float(pathlib.Path("data/inner/value.txt").read_text())}, open("metrics.json", "w"))
        """
    recipe = toy_recipe(tmp_path / "recipe", {"train.py": read}, progress=None)
    (recipe / "data").mkdir()
    zip_of(recipe / "data/set.zip", {"inner/value.txt": b"0.75", "inner/": b""})
    dataset = {
        "name": "nothing",
        "file": "data/set.zip",
        "sha256": file_digest(recipe / "data/set.zip"),
        "place": "data",
        "unpack": "zip",
        "license": "none",
    }
    text = yaml.safe_load((recipe / "recipe.yaml").read_text())
    text |= {"datasets": [dataset], "metrics": text["metrics"][:1]}
    (recipe / "recipe.yaml").write_text(yaml.safe_dump(text))
    record = cli("run", "--json", cwd=cli.new(recipe)).json["runs"][0]
    assert record["metrics"]["accuracy"]["value"] == 0.75


# --- patches and paths of a recipe --------------------------------------------------------------

WRITES_OUT = "--- /dev/null\n+++ b/../../MARKER\n@@ -0,0 +1 @@\n+x\n"
BRINGS_LINK = (
    "diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n"
    "@@ -0,0 +1 @@\n+../..\n\\ No newline at end of file\n"
)


def patched(folder, patch: str):
    recipe = toy_recipe(
        folder, reference={"patches": [{"file": "patches/a.diff", "reason": "reason"}]}
    )
    write_tree(recipe, {"patches/a.diff": patch.encode()})
    return recipe


def test_patch_that_writes_outside(cli, tmp_path, marker):
    error = cli("new", "x", "--from", patched(tmp_path / "recipe", WRITES_OUT), code=4).err
    assert "does not apply" in error and "invalid path" in error


def test_patch_that_writes_outside_when_a_run_is_made(tmp_path):
    from scaffold.errors import ProjectError
    from scaffold.references.patches import apply_patch

    write_tree(tmp_path, {"a.diff": WRITES_OUT.encode(), "runs/one/tree/train.py": "x\n"})
    with pytest.raises(ProjectError, match="invalid path"):
        apply_patch(tmp_path / "a.diff", tmp_path / "runs/one/tree")
    assert not (tmp_path / "runs/MARKER").exists()


def test_patch_that_brings_a_link_out(cli, tmp_path):
    error = cli("new", "x", "--from", patched(tmp_path / "recipe", BRINGS_LINK), code=4).err
    assert "link 'link' leads outside" in error


OUT = "../outside"
PLACED = {"name": "nothing", "file": "data/x", "sha256": "0" * 64, "place": "x", "license": "x"}
PLACES = {
    "reference.path": {"reference": {"path": OUT}},
    "reference.patches": {"reference": {"patches": [{"file": f"patches/{OUT}", "reason": "r"}]}},
    "reference.drivers": {"reference": {"drivers": [f"drivers/../{OUT}"]}},
    "datasets.place": {"datasets": [{**PLACED, "place": OUT}]},
    "datasets.file": {"datasets": [{**PLACED, "file": f"data/{OUT}"}]},
    "environment.requirements": {"environment": {"requirements": OUT}},
    "commands.train.directory": {"commands": {"train": {"directory": OUT}}},
    "metrics.read.json": {
        "metrics": [
            {
                "name": "accuracy",
                "split": "t",
                "direction": "higher",
                "unit": "fraction",
                "read": {"json": OUT, "key": "k"},
            }
        ]
    },
}


@pytest.mark.parametrize("place", PLACES)
def test_recipe_paths_that_leave_it(cli, tmp_path, place):
    recipe = toy_recipe(tmp_path / "recipe")
    text = yaml.safe_load((recipe / "recipe.yaml").read_text())
    (recipe / "recipe.yaml").write_text(yaml.safe_dump(merged(text, PLACES[place])))
    error = cli("new", "x", "--from", recipe, code=2).err
    assert "must stay inside its folder" in error and place.split(".")[0] in error


def test_recipe_files_that_are_links(cli, tmp_path):
    recipe = patched(tmp_path / "recipe", WRITES_OUT)
    (recipe / "patches/a.diff").unlink()
    (recipe / "patches/a.diff").symlink_to("/etc/passwd")
    assert "links out of its folder" in cli("new", "x", "--from", recipe, code=2).err


def test_dataset_placed_through_a_link(cli, tmp_path, monkeypatch):
    """The reference has a link within it.

    A patch of a recipe that was edited later makes it lead out.
    """
    from scaffold.datasets.fetch import place
    from scaffold.errors import RunError
    from scaffold.records.dataset import FileDataset

    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(tmp_path)
    dataset = FileDataset(
        name="d", license="x", sha256="0" * 64, place="link/MARKER", file="data/x"
    )
    with pytest.raises(RunError, match="leads out of the reference"):
        place(dataset, tmp_path / "x", tmp_path / "tree")


# --- downloads ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "file://127.0.0.1/etc/passwd",
        "http://example.org/x",
        "ftp://127.0.0.1/x",
    ],
)
def test_dataset_url_that_redirects_elsewhere(cli, tmp_path, target):
    class Redirect(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        dataset = {
            "name": "nothing",
            "url": f"http://127.0.0.1:{server.server_port}/x",
            "sha256": "0" * 64,
            "place": "x",
            "license": "x",
        }
        project = cli.new(toy_recipe(tmp_path / "recipe", datasets=[dataset]))
        error = cli("run", cwd=project, code=4).err
        server.shutdown()
    assert (
        f"redirects to {target}, which is not https" in error
        or f"url '{target}' is not allowed" in error
    )


# --- templates ----------------------------------------------------------------------------------


def test_template_text_in_a_recipe_stays_text(cli, tmp_path, marker):
    popen = f"{{{{ cycler.__init__.__globals__.os.popen('touch {marker}').read() }}}}"
    title = f"{popen} {{% for c in ().__class__.__base__.__subclasses__() %}}{{% endfor %}}"
    project = cli.new(toy_recipe(tmp_path / "recipe", title=title))
    assert "cycler.__init__" in (project / "README.md").read_text()


# copier leaves a folder's iterator open when it gives up
gives_up = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@gives_up
@pytest.mark.parametrize(
    "text",
    [
        "{{ cycler.__init__.__globals__.os.popen('touch MARKER').read() }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__ }}",
    ],
)
def test_template_that_reaches_for_python(tmp_path, marker, text):
    write_tree(
        tmp_path / "template",
        {"copier.yml": "", "file.txt.jinja": text.replace("MARKER", str(marker))},
    )
    with pytest.raises(ScaffoldError, match=r"access to attribute '__\w+__' .* is unsafe"):
        render(tmp_path / "template", tmp_path / "into", {})


@gives_up
@pytest.mark.parametrize("key", ["_tasks: ['touch MARKER']", "_jinja_extensions: [os.path]"])
def test_template_that_wants_more_than_rendering(tmp_path, marker, key):
    write_tree(
        tmp_path / "template",
        {"copier.yml": key.replace("MARKER", str(marker)), "file.txt.jinja": "x"},
    )
    with pytest.raises(ScaffoldError, match="cannot be rendered"):
        render(tmp_path / "template", tmp_path / "into", {})


# --- the terminal -------------------------------------------------------------------------------

ESCAPES = "\x1b[2J\x1b]0;evil\x07\x9b31m\u202egnp.exe\u200b\r\x08"


def test_no_text_of_a_stranger_moves_the_cursor_or_turns_words_round():
    shown = plain(f"a{ESCAPES}\nb\tc")
    assert re.fullmatch(r"a[ -~]*\nb\tc", shown)


def test_escapes_in_what_a_run_prints(cli, tmp_path):
    dies = f"import sys\nsys.stderr.write({ESCAPES!r} + 'dead')\nsys.exit(1)\n"
    recipe = toy_recipe(tmp_path / "recipe", {"train.py": dies.encode()})
    result = cli("run", cwd=cli.new(recipe), code=4)
    assert "dead" in result.err and re.fullmatch(r"[ -~\n]*", result.out + result.err)


@pytest.mark.parametrize("key", ["title", "task"])
def test_escapes_in_a_recipes_texts(cli, tmp_path, key):
    error = cli(
        "new", "x", "--from", toy_recipe(tmp_path / "recipe", **{key: f"x{ESCAPES}"}), code=2
    ).err
    assert "must be one line without control characters" in error and re.fullmatch(
        r"[ -~\n]*", error
    )


def test_escapes_in_a_command(cli, tmp_path):
    commands = {"train": {"run": f"python train.py {{seed}} {ESCAPES}"}}
    error = cli(
        "new", "x", "--from", toy_recipe(tmp_path / "recipe", commands=commands), code=2
    ).err
    assert "must be one line without control characters" in error and re.fullmatch(
        r"[ -~\n]*", error
    )
