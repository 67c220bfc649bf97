"""Power cuts, full disks, damaged files, dying servers.

Nothing complete is lost, nothing half-made counts.
"""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from datetime import datetime, timezone
from pathlib import Path

import pytest
from helpers import ACCURACY, git, git_recipe, make_repository, toy_recipe

from scaffold.sandbox.bubblewrap import bubblewrap_problem

# --- damaged files -------------------------------------------------------------------------------


def run_ids(project: Path) -> set[str]:
    return {
        path.name
        for path in (project / ".scaffold/runs").iterdir()
        if not path.name.startswith(".")
    }


def cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"")


@pytest.fixture(scope="module")
def verified(calibrated_recipe, tmp_path_factory):
    """A project that was verified; copy it before damaging it."""
    from helpers import Cli

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("verified"))
        cli = Cli(patch)
        project = cli.new(calibrated_recipe)
        cli("verify", cwd=project)
        cli("status", cwd=project)
        return project


OURS = ["run.json", "series.json", "logs/0-train.out"]


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
@pytest.mark.parametrize("name", OURS)
def test_damaged_run_is_no_run_and_is_made_again(cli, tmp_path, verified, damage, name):
    shutil.copytree(verified, tmp_path / "project", symlinks=True)
    before = run_ids(tmp_path / "project")
    victim = sorted(before)[0]
    damage(tmp_path / "project/.scaffold/runs" / victim / name)
    records = cli("run", "--seeds", len(before), "--json", cwd=tmp_path / "project").json["runs"]
    assert len(records) == len(before)
    assert before - {victim} <= {record["id"] for record in records}
    assert victim not in {record["id"] for record in records}
    assert cli("verify", "--json", cwd=tmp_path / "project").json["verdict"] == "REPRODUCED"


PROJECT_FILES = {
    ".scaffold/status.json": 0,
    ".scaffold/lock": 0,
    "evidence/reproduce.json": 0,
    "environment.lock": 2,
    "calibration.json": 2,
    "recipe.yaml": 2,
}


@pytest.mark.parametrize("damage", [cut, empty])
@pytest.mark.parametrize("name", PROJECT_FILES)
def test_damaged_file_of_a_project(cli, tmp_path, verified, damage, name):
    """What only the scaffold writes is written anew.

    What came with the project is said, with how to restore it.
    """
    project = tmp_path / "project"
    shutil.copytree(verified, project, symlinks=True)
    before = run_ids(project)
    damage(project / name)
    result = cli("verify", code=PROJECT_FILES[name], cwd=project)
    assert "Traceback" not in result.err and "defect" not in result.err
    if PROJECT_FILES[name]:
        assert f"git checkout -- {name}" in result.err.replace(str(project) + "/", "")
        git(project, "checkout", "--", name)
        cli("verify", cwd=project)
    assert run_ids(project) == before
    judged = json.loads((project / "evidence/reproduce.json").read_text())["judgment"]
    assert judged == json.loads((verified / "evidence/reproduce.json").read_text())["judgment"]


def test_damaged_dataset_in_the_cache_is_fetched_anew(cli, tmp_path, isolated):
    from scaffold.project.digests import file_digest

    reads = (
        "import json\njson.dump({'accuracy': float(open('d.txt').read())}, open('metrics.json',"
        " 'w'))\n"
    )
    (tmp_path / "recipe/data").mkdir(parents=True)
    (tmp_path / "recipe/data/d.txt").write_text("0.123456")
    sha256 = file_digest(tmp_path / "recipe/data/d.txt")
    dataset = {
        "name": "nothing",
        "file": "data/d.txt",
        "sha256": sha256,
        "place": "d.txt",
        "license": "x",
    }
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": reads},
        datasets=[dataset],
        metrics=[ACCURACY],
        progress=None,
        seeds={"how": "inject"},
        commands={"train": {"run": "python train.py"}, "smoke": None},
    )
    project = cli.new(recipe)
    cached = isolated / "cache/mlloop-new/data" / sha256
    for damage in (
        lambda _: None,
        cut,
        empty,
        Path.unlink,
        lambda path: path.with_name(f"{path.name}.checked").unlink(),
    ):
        damage(cached) if cached.exists() else None
        record = cli("run", "--rerun", "--json", cwd=project).json["runs"][-1]
        assert record["metrics"]["accuracy"]["value"] == 0.123456
        assert file_digest(cached) == sha256


@pytest.mark.parametrize("ending", ["pack", "idx"])
def test_damaged_repository_in_the_cache_is_fetched_anew(cli, tmp_path, isolated, ending):
    revision = make_repository(tmp_path / "upstream", {"train.py": os.urandom(3000).hex()})
    recipe = git_recipe(tmp_path / "recipe", tmp_path / "upstream", revision)
    caches = isolated / "cache/mlloop-new/git"
    before = set(caches.glob("*.git")) if caches.exists() else set()
    cli.new(recipe, "first")
    (cache,) = set(caches.glob("*.git")) - before
    for file in (cache / "objects/pack").glob(f"*.{ending}"):
        content = file.read_bytes()
        file.unlink()  # the first project has a link to the same bytes
        file.write_bytes(content[: len(content) // 2])
    assert "rm -rf" in cli("new", "second", "--from", recipe, "--offline", code=4).err
    assert (cli.new(recipe, "third") / "reference/train.py").read_bytes() == (
        tmp_path / "upstream/train.py"
    ).read_bytes()


# --- the machine --------------------------------------------------------------------------------

needs_bubblewrap = pytest.mark.skipif(
    bubblewrap_problem() is not None, reason="needs bubblewrap to make such a disk"
)


def on_a_disk(
    project: Path, mount: list[str], *command: str, program: tuple[str, ...] = ("-m", "scaffold")
) -> subprocess.CompletedProcess:
    """Call scaffold with something else mounted over a folder of the project."""
    words = [
        "bwrap",
        "--dev-bind",
        "/",
        "/",
        *mount,
        "--chdir",
        str(project),
        "--",
        sys.executable,
        *program,
    ]
    return subprocess.run(
        [*words, *command], capture_output=True, text=True, timeout=60, check=False
    )


@needs_bubblewrap
def test_read_only_project(cli, verified, tmp_path):
    shutil.copytree(verified, tmp_path / "project", symlinks=True)
    project = tmp_path / "project"
    mount = ["--ro-bind", str(project), str(project)]
    (project / ".scaffold/status.json").unlink()
    looked = on_a_disk(project, mount, "status")
    assert looked.returncode == 0 and "REPRODUCED" in looked.stdout
    made = on_a_disk(project, mount, "run", "--rerun")
    assert (
        made.returncode == 4
        and "Read-only file system" in made.stderr
        and "defect" not in made.stderr
    )


@needs_bubblewrap
@pytest.mark.parametrize("size_kb", [4, 12, 24, 48, 64])
def test_full_disk(cli, calibrated_recipe, tmp_path, size_kb, monkeypatch):
    """A real one, full at different moments.

    When the copy is made, when the run writes, when the record is written.
    """
    project = cli.new(calibrated_recipe)
    (project / ".scaffold").mkdir(exist_ok=True)
    launch = tmp_path / "launch.py"
    launch.write_text(
        "from scaffold import machine\nmachine.FREE_BYTES = 0\nfrom scaffold.running import"
        " launcher\nlauncher.FREE_BYTES = 0\nfrom scaffold.cli import main\nmain()\n"
    )
    mount = ["--size", str(size_kb * 1000), "--tmpfs", str(project / ".scaffold")]
    call = ("run", "--no-sandbox", "--seeds", "3")
    done = on_a_disk(project, mount, *call, program=(str(launch),))
    assert "Traceback" not in done.stderr and "defect" not in done.stderr
    assert done.returncode == 4 and ("No space left" in done.stderr or "OUT_OF_DISK" in done.stderr)
    cli("run", "--seeds", 3, cwd=project)


def test_no_copy_is_begun_on_a_full_disk(cli, verified, tmp_path, monkeypatch):
    from scaffold import machine

    shutil.copytree(verified, tmp_path / "project", symlinks=True)
    monkeypatch.setattr(machine, "FREE_BYTES", 1 << 60)
    before = run_ids(tmp_path / "project")
    assert "MB free" in cli("run", "--rerun", cwd=tmp_path / "project", code=4).err
    assert run_ids(tmp_path / "project") == before


def test_clock_that_goes_backwards(cli, verified, tmp_path, monkeypatch):
    """Files of the future, and runs begun before the ones that they follow."""
    shutil.copytree(verified, tmp_path / "project", symlinks=True)
    project = tmp_path / "project"
    for path in project.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (4e9, 4e9))
    before = run_ids(project)
    assert "no run was needed" in cli("verify", cwd=project).out

    class Past(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(1999, 1, 1, tzinfo=timezone.utc)

    monkeypatch.setattr("scaffold.running.engines.local.datetime", Past)
    monkeypatch.setattr("scaffold.reproduce.verify.datetime", Past)
    records = cli("run", "--seeds", len(before) + 1, "--json", cwd=project).json["runs"]
    assert len(records) == len(before) + 1 and records[-1]["started"].startswith("1999")
    assert records[-1]["wall_time_s"] > 0
    verdict = cli("verify", "--json", cwd=project).json
    assert verdict["verdict"] == "REPRODUCED"
    assert "no run was needed" in cli("verify", cwd=project).out


def test_environment_that_a_killed_scaffold_began(cli, tmp_path, monkeypatch, isolated):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel(tmp_path).parent))
    project = cli.new(
        toy_recipe(
            tmp_path / "recipe",
            {"train.py": "import drifty\n"},
            environment={"packages": ["drifty"]},
        )
    )
    environments = isolated / "cache/mlloop-new/environments"
    before = set(environments.glob("*")) if environments.exists() else set()
    cli("run", "--smoke", cwd=project)
    (made,) = set(environments.glob("*-*")) - before
    (made / "complete").unlink()
    next(made.glob("lib/*/site-packages/drifty.py")).unlink()
    shutil.rmtree(next(made.glob("lib/*/site-packages/__pycache__")), ignore_errors=True)
    cli("run", "--smoke", "--rerun", cwd=project)


# --- a package index that dies half-way ---------------------------------------------------------


def wheel(folder: Path) -> Path:
    path = folder / "drifty-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("drifty.py", "Inf = 1\n")
        file.writestr("padding.bin", os.urandom(200_000))
        file.writestr(
            "drifty-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: drifty\nVersion: 1.0\n"
        )
        file.writestr(
            "drifty-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr("drifty-1.0.dist-info/RECORD", "")
    return path


def test_package_index_that_dies_half_way(cli, tmp_path, monkeypatch, isolated):
    content = wheel(tmp_path).read_bytes()
    state = {"dies": True}

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = b'<a href="/drifty-1.0-py3-none-any.whl">drifty-1.0-py3-none-any.whl</a>'
            body = content if self.path.endswith(".whl") else page
            self.send_response(200)
            self.send_header(
                "Content-Type", "application/octet-stream" if body is content else "text/html"
            )
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if state["dies"] and body is content else body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        program = {"train.py": "import drifty\nprint('accuracy 0.9')\n"}
        recipe = toy_recipe(
            tmp_path / "recipe",
            program,
            environment={"packages": ["drifty"]},
            progress=None,
            metrics=[
                {
                    "name": "accuracy",
                    "split": "t",
                    "direction": "higher",
                    "unit": "fraction",
                    "read": {"stdout": r"^accuracy (?P<value>\S+)"},
                }
            ],
            seeds={"how": "inject"},
            commands={"train": {"run": "python train.py"}, "smoke": None},
        )
        project = cli.new(recipe)
        error = cli("run", cwd=project, code=4).err
        assert "the environment could not be made" in error
        environments = isolated / "cache/mlloop-new/environments"
        assert not [
            path
            for path in environments.glob("*")
            if (path / "complete").exists() and "drifty" in str(path)
        ]
        state["dies"] = False
        assert cli("run", "--json", cwd=project).json["runs"][0]["outcome"] == "COMPLETED"
        server.shutdown()
