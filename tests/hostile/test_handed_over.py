"""Projects that came from someone else, with all that git and .scaffold/ may hold.

Nothing of it acts on us.
"""

import json
import os
import subprocess
import textwrap
import zipfile

import pytest
from helpers import ACCURACY, TOY, git, toy_recipe, write_tree

from scaffold import sandbox
from scaffold.environments.lock import format_lock


@pytest.fixture
def project(cli, calibrated_recipe):
    return cli.new(calibrated_recipe)


@pytest.mark.parametrize(
    "name", [".scaffold", ".scaffold/runs", ".scaffold/lock", ".scaffold/status.json", "evidence"]
)
def test_links_in_the_place_of_our_own_files(cli, project, tmp_path, name):
    victim = write_tree(tmp_path / "victim", {".ssh/key": "private", "file": "whole"})
    (project / ".scaffold").mkdir(exist_ok=True)
    (project / ".scaffold/status.json").unlink(missing_ok=True)
    if name in (".scaffold", "evidence"):
        (project / ".scaffold").rmdir() if name == ".scaffold" else None
    (project / name).symlink_to(victim / "file" if name.endswith(("lock", "json")) else victim)
    for command in ("verify", "run", "status"):
        assert f"{name} is a link to" in cli(command, cwd=project, code=2).err
    assert (victim / ".ssh/key").read_text() == "private" and (
        victim / "file"
    ).read_text() == "whole"
    assert sorted(os.listdir(victim)) == [".ssh", "file"]


def test_the_lock_file_is_not_followed(project, tmp_path):
    from scaffold.project.lock import only_one
    from scaffold.project.project import Project

    (tmp_path / "file").write_text("whole")
    (project / ".scaffold").mkdir(exist_ok=True)
    (project / ".scaffold/lock").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match="symbolic links"), only_one(Project(project)):
        pass
    assert (tmp_path / "file").read_text() == "whole"


def test_only_our_own_unfinished_runs_are_removed(cli, project):
    write_tree(project / ".scaffold/runs", {".seed-0-abc-1234/tree/x": "x", ".notes/mine": "x"})
    for name in ("probes/.probe-1a-0-abc-1234", "sweeps/.seed-5-abc-1234"):
        write_tree(project / ".scaffold" / name, {"tree/x": "x"})
    cli("run", cwd=project)
    assert [*project.glob(".scaffold/probes/.*"), *project.glob(".scaffold/sweeps/.*")] == []
    left = sorted(os.listdir(project / ".scaffold/runs"))
    assert left[0] == ".notes" and len(left) == 2


@pytest.mark.parametrize(
    "edited", ["reference/train.py", "reference/more.py", "drivers/evaluate.py"]
)
def test_programs_that_are_edited_while_their_runs_are_made(cli, tmp_path, monkeypatch, edited):
    """What was looked at once is copied again for each seed."""
    from scaffold.running import launcher

    recipe = toy_recipe(tmp_path / "recipe", reference={"drivers": ["drivers/evaluate.py"]})
    write_tree(recipe, {"drivers/evaluate.py": "print('whole')\n"})
    project = cli.new(recipe)
    fill = launcher.fill

    def edit_and_fill(workspace, plan):
        (project / edited).write_text("print('edited')\n")
        fill(workspace, plan)

    monkeypatch.setattr(launcher, "fill", edit_and_fill)
    error = cli("run", cwd=project, code=2).err
    assert "was edited while its runs were made" in error
    monkeypatch.undo()
    assert not list((project / ".scaffold/runs").glob("seed*"))


def test_forged_runs_are_none(cli, project):
    """As in a project that brings .scaffold/ with it: whoever edits a record cannot sign it."""
    record = cli("run", "--json", cwd=project).json["runs"][0]
    path = project / ".scaffold/runs" / record["id"] / "run.json"
    forged = json.loads(path.read_text())
    forged["metrics"]["accuracy"]["value"] = 1.0
    path.write_text(json.dumps(forged))
    again = cli("run", "--json", cwd=project).json["runs"][0]
    assert again["id"] != record["id"] and again["metrics"] == record["metrics"]


def test_copies_of_a_run_do_not_count(cli, project):
    import shutil

    record = cli("run", "--json", cwd=project).json["runs"][0]
    runs = project / ".scaffold/runs"
    for name in (f"{record['id']}-2", record["id"].replace("seed-0", "seed-1")):
        shutil.copytree(runs / record["id"], runs / name)
    both = cli("run", "--seeds", 2, "--json", cwd=project).json["runs"]
    assert [run["seed"] for run in both] == [0, 1] and both[0]["metrics"] != both[1]["metrics"]


def test_runs_of_another_person_are_none(cli, project, tmp_path, monkeypatch):
    record = cli("run", "--json", cwd=project).json["runs"][0]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another persons"))
    assert cli("run", "--json", cwd=project).json["runs"][0]["id"] != record["id"]


def test_runs_are_known_where_the_key_cannot_be_kept(cli, project, tmp_path, monkeypatch):
    (tmp_path / "in the way").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "in the way"))
    assert cli("run", "--json", cwd=project).json["runs"][0]["outcome"] == "COMPLETED"


@pytest.mark.parametrize(
    "line",
    [
        "evil @ file:///tmp/evil.whl",
        "--index-url http://127.0.0.1:1/",
        "-e .",
        "evil",
        "evil==1 @ https://x",
        "./evil",
    ],
)
def test_locks_that_hold_more_than_versions(cli, project, line):
    cli("run", cwd=project)
    lines = (project / "environment.lock").read_text().splitlines()[1:-1]
    (project / "environment.lock").write_text(format_lock([*lines, line]))
    error = cli("run", "--rerun", cwd=project, code=2).err
    assert (
        f"environment.lock has the line {line!r}, which is not a package with its version" in error
    )


def test_lock_that_names_a_program_as_python(cli, project, payload):
    cli("run", cwd=project)
    lines = (project / "environment.lock").read_text().splitlines()[1:-1]
    named = [f"# python {payload}" if line.startswith("# python") else line for line in lines]
    (project / "environment.lock").write_text(format_lock(named))
    assert (
        "environment.lock names no version of Python"
        in cli("run", "--rerun", cwd=project, code=2).err
    )


def test_link_in_the_place_of_an_unfinished_run(cli, project, tmp_path):
    victim = write_tree(tmp_path / "victim", {"private/key": "x"})
    for path in (victim, victim / "private"):
        path.chmod(0o700)
    (project / ".scaffold/runs").mkdir(parents=True)
    (project / ".scaffold/runs/.seed-0-abc-1234").symlink_to(victim)
    cli("run", cwd=project)
    assert victim.stat().st_mode & 0o777 == 0o700 and (victim / "private/key").exists()
    assert len(os.listdir(project / ".scaffold/runs")) == 1


def test_program_that_checks_signatures(cli, tmp_path, payload):
    """Named in the project's configuration, called for a commit that carries a signature."""
    from helpers import git_recipe, make_repository

    from scaffold.project.project import Project, load_recipe
    from scaffold.running.preparation import _commit_date

    revision = make_repository(tmp_path / "upstream", {"train.py": TOY})
    project = cli.new(git_recipe(tmp_path / "recipe", tmp_path / "upstream", revision))
    signature = "\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n\n"
    text = git(project, "cat-file", "commit", "reference").replace("\n\n", signature, 1)
    command = ["git", "hash-object", "-t", "commit", "-w", "--stdin"]
    made = subprocess.run(
        command, cwd=project, input=text, capture_output=True, text=True, check=True
    )
    git(project, "update-ref", "refs/heads/main", made.stdout.strip())
    git(project, "config", "log.showSignature", "true")
    git(project, "config", "gpg.program", str(payload))
    assert _commit_date(Project(project), load_recipe(Project(project))) is not None


def test_compiled_files_in_the_reference_are_not_run(cli, project):
    write_tree(
        project, {"reference/random.pyc": "x", "reference/__pycache__/train.cpython-311.pyc": "x"}
    )
    record = cli("run", "--json", cwd=project).json["runs"][0]
    tree = project / ".scaffold/runs" / record["id"] / "tree"
    assert not (tree / "random.pyc").exists() and not (tree / "__pycache__").exists()


def test_driver_that_is_a_link_out(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe", reference={"drivers": ["drivers/d.py"]})
    project = cli.new(write_tree(recipe, {"drivers/d.py": "x"}))
    (project / "drivers/d.py").unlink()
    (project / "drivers/d.py").symlink_to("/etc/passwd")
    error = cli("run", cwd=project, code=2).err
    assert "links out of its folder: drivers/d.py" in error and "root:" not in error


def test_objects_that_stand_for_others(cli, project):
    """git replace: an edited reference whose tree is said to be the pinned one."""
    pinned = git(project, "rev-parse", "HEAD:reference")
    (project / "reference/train.py").write_text("print('replaced')\n")
    git(project, "commit", "--quiet", "-am", "edited")
    git(project, "replace", pinned, git(project, "rev-parse", "HEAD:reference"))
    assert "reference/ was edited" in cli("run", cwd=project, code=2).err


def test_filters_of_the_projects_own_configuration(cli, project, payload):
    git(project, "config", "filter.evil.clean", str(payload))
    git(project, "config", "filter.evil.process", str(payload))
    git(project, "config", "filter.evil.required", "true")
    write_tree(project, {".git/info/attributes": "* filter=evil\n"})
    cli("verify", cwd=project)
    assert git(project, "log", "-1", "--format=%s").startswith("Verify:")


def test_objects_that_are_to_be_fetched_on_the_way(cli, project, payload):
    """A promised object is fetched by whoever asks for it.

    Through whatever transport the configuration names.
    """
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "evil",
        "remote.evil.promisor": "true",
        "remote.evil.url": f"ext::{payload}",
        "protocol.ext.allow": "always",
    }.items():
        git(project, "config", key, value)
    for pack in (project / ".git/objects").rglob("*.*"):
        if pack.suffix in (".pack", ".idx"):
            pack.unlink()
    tree = git(project, "rev-parse", "HEAD")  # of a reference in a recipe all objects are loose
    assert tree
    pinned = (project / "recipe.yaml").read_text().split("tree: ")[1].split()[0].strip("'")
    (project / ".git/objects" / pinned[:2] / pinned[2:]).unlink()
    (project / "reference/train.py").write_text("print('edited')\n")
    assert "reference/ was edited" in cli("run", cwd=project, code=2).err


# --- what would act outside the sandbox while an environment is made ----------------------------


def test_wheel_that_runs_at_every_start_of_python(cli, tmp_path, marker, monkeypatch):
    """A .pth file with an import line.

    Run by every interpreter of the environment that is started outside.
    """
    index = tmp_path / "index"
    index.mkdir()
    with zipfile.ZipFile(index / "evil-1.0-py3-none-any.whl", "w") as file:
        file.writestr("evil.pth", f"import os; open({str(marker)!r}, 'w').write('ran')\n")
        file.writestr("evil.py", "x = 1\n")
        file.writestr(
            "evil-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n"
        )
        file.writestr(
            "evil-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr("evil-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    check = "import evil, os\nassert os.path.exists(evil.__cached__)\n"
    imports = {"train.py": check + textwrap.dedent(TOY)}
    project = cli.new(toy_recipe(tmp_path / "recipe", imports, environment={"packages": ["evil"]}))
    cli("run", "--smoke", cwd=project)  # and what it brings is compiled all the same


@pytest.mark.parametrize(
    "files",
    [
        {"uv.toml": '[pip]\npython = "./evil"\n'},
        {"pyproject.toml": '[tool.uv.pip]\npython = "./evil"\n'},
        {".venv/pyvenv.cfg": "home = /usr/bin\n", ".venv/bin/python": "EVIL"},
    ],
)
def test_files_of_the_reference_that_uv_would_obey(cli, tmp_path, payload, files, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    content = {
        name: payload.read_text() if text == "EVIL" else text for name, text in files.items()
    }
    content |= {"evil": payload.read_text(), "train.py": TOY, "requirements.txt": "six==1.99\n"}
    project = cli.new(
        toy_recipe(tmp_path / "recipe", content, environment={"requirements": "requirements.txt"})
    )
    for name in ("evil", ".venv/bin/python"):
        if (project / "reference" / name).exists():
            (project / "reference" / name).chmod(0o755)
    error = cli.any_status("run", cwd=project).err
    assert "the environment could not be made" in error or "reference/ was edited" in error


def test_settings_of_uv_in_the_reference_are_not_read(cli, tmp_path, monkeypatch):
    from hostile.test_faults import wheel

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel(tmp_path).parent))
    files = {"train.py": TOY, "requirements.txt": "drifty\n", "uv.toml": "these are no settings"}
    project = cli.new(
        toy_recipe(tmp_path / "recipe", files, environment={"requirements": "requirements.txt"})
    )
    cli("run", "--smoke", cwd=project)


def test_interpreter_that_is_gone(cli, tmp_path, monkeypatch, isolated):
    test_wheel_that_runs_at_every_start_of_python(cli, tmp_path, tmp_path / "inside", monkeypatch)
    (environment,) = [
        path.parents[3]
        for path in (isolated / "cache/mlloop-new/environments").glob(
            "*/lib/*/site-packages/evil.pth"
        )
        if str(tmp_path) in path.read_text()
    ]
    (environment / "bin/python").unlink()
    cli("run", "--smoke", "--rerun", cwd=tmp_path / "project")


# --- what a run leaves --------------------------------------------------------------------------

LEAVES = """\
    import json, os, shutil, sys
    shutil.copy("/bin/true", "tool")
    os.chmod("tool", 0o6777)
    os.fchmod(1, 0o4777)
    os.mkdir("locked")
    os.chmod("locked", 0)
    os.makedirs(os.path.join(os.environ["TMPDIR"], "a/b"))
    os.chmod(os.path.join(os.environ["TMPDIR"], "a"), 0)
    json.dump({"accuracy": 0.9}, open("metrics.json", "w"))
    os.chmod("metrics.json", 0)
    os.fchmod(2, 0)
    os.chmod(os.environ["HOME"], 0)
    os.chmod(".", 0)
    """


@pytest.fixture
def alone(tmp_path):

    def make(program: str, **changes):
        changes = {"metrics": [ACCURACY], "progress": None, "seeds": {"how": "inject"}, **changes}
        commands = {"train": {"run": "python train.py", "timeout_s": 20}, "smoke": None}
        return toy_recipe(tmp_path / "recipe", {"train.py": program}, commands=commands, **changes)

    return make


def test_modes_that_a_run_leaves(cli, alone):
    project = cli.new(alone(LEAVES))
    record = cli("run", "--json", cwd=project).json["runs"][0]
    folder = project / ".scaffold/runs" / record["id"]
    modes = {path: path.lstat().st_mode for path in folder.rglob("*")}
    assert not [path for path, mode in modes.items() if mode & 0o6022]
    assert not [path for path, mode in modes.items() if mode & 0o600 != 0o600]
    assert os.listdir(project / ".scaffold/runs") == [record["id"]]


def test_name_that_no_disk_holds(cli, alone):
    error = cli(
        "run", cwd=cli.new(alone("import os\nos.symlink('x' * 300, 'metrics.json')\n")), code=4
    ).err
    assert "seed 0: NO_METRIC: metrics.json that the run left cannot be read" in error


@pytest.mark.parametrize(
    ("pattern", "printed"),
    [
        (r"(a+)+$(?P<step>\d)", "a" * 1900 + "!"),
        (r"epoch (?P<step>\S+)", "epoch ²"),
        (r"epoch( (?P<step>\d+):x)?", "epoch"),
        (r"epoch (?P<step>\d+)", "epoch " + "9" * 1000),
    ],
)
def test_progress_that_is_none(cli, alone, pattern, printed):
    program = f"""\
        import json, time
        print({printed!r})
        time.sleep(1)
        json.dump({{"accuracy": 0.9}}, open("metrics.json", "w"))
        """
    project = cli.new(alone(program, progress={"stdout": pattern, "total": 3}))
    started = os.times().elapsed
    assert cli("run", "--json", cwd=project).json["runs"][0]["outcome"] == "COMPLETED"
    assert os.times().elapsed - started < 10


# --- odd files and texts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {
                "metrics": [
                    {
                        "name": "accuracy",
                        "split": "t",
                        "direction": "higher",
                        "unit": "fraction",
                        "read": {"stdout": "(" * 500 + "?P<value>x" + ")" * 500},
                    }
                ]
            },
            "is not a regular expression",
        ),
        (
            {"resources": {"memory_gb": 1e300}},
            "resources.memory_gb: input should be less than or equal to 1000000",
        ),
        ({"title": "x" * 1_100_000}, "characters; at most 1000000 are read"),
        ({"commands": {"train": {"timeout_s": -1}}}, "commands.train.timeout_s"),
    ],
)
def test_recipes_that_are_too_much(cli, tmp_path, changes, words):
    error = cli("recipes", "check", toy_recipe(tmp_path / "recipe", **changes), code=2).err
    assert words in error and "seeds.how" not in error


def test_pipe_in_the_reference_of_a_recipe(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe")
    os.mkfifo(recipe / "reference/pipe")
    assert "links, pipes or odd names" in cli("recipes", "check", recipe, code=4).err
    project = cli.new(toy_recipe(tmp_path / "another"))
    os.mkfifo(project / "reference/pipe")
    assert "pipe is new" in cli("run", cwd=project, code=2).err


@pytest.mark.parametrize("name", [".scaffold/status.json", "evidence/reproduce.json"])
def test_pipes_in_the_place_of_files(cli, project, name):
    cli("verify", cwd=project)
    cli("status", cwd=project)
    (project / name).unlink()
    os.mkfifo(project / name)
    for command in ("status", "next", "verify"):
        assert "defect" not in cli.any_status(command, cwd=project).err


def test_state_that_is_nested_too_deeply(cli, project):
    write_tree(project, {".scaffold/status.json": "[" * 100_000})
    assert "nothing has been judged yet" in cli("status", cwd=project).out


def test_terminal_that_is_one_column_wide(cli, project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1")
    assert "scaffold verify" in cli("status", cwd=project).out


@pytest.mark.skipif(sandbox.landlock_problem() is not None, reason="needs Landlock")
def test_process_without_variables_outlives_nobody(cli, alone, tmp_path, monkeypatch):
    """Where there is no name space of processes.

    What forgets its variables and its session is still found.
    """
    import contextlib
    import signal
    import sys
    from pathlib import Path

    from helpers import living_in, wait_for

    escapes = """\
        import os, sys, time
        if os.fork() == 0:
            os.setsid()
            os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(61.5)"], {})
        time.sleep(60)
        """
    project = cli.new(alone(escapes))
    launch = (
        write_tree(
            tmp_path,
            {
                "launch.py": (
                    "from scaffold import sandbox\nsandbox.bubblewrap_problem = lambda: 'taken"
                    " away'\nfrom scaffold.cli import main\nmain()\n"
                )
            },
        )
        / "launch.py"
    )
    process = subprocess.Popen(
        [sys.executable, str(launch), "run"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def escaped() -> list[int]:
        found = []
        for path in Path("/proc").iterdir():
            try:
                if path.name.isdigit() and b"sleep(61.5)" in (path / "cmdline").read_bytes():
                    found.append(int(path.name))
            except OSError:
                continue
        return found

    wait_for(escaped)
    for pid in living_in(project):
        with contextlib.suppress(OSError):  # one that ended meanwhile
            if b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
    process.wait(timeout=20)
    wait_for(lambda: not escaped())


@pytest.mark.parametrize(
    "name", ["evidence/reproduce.json", "recipe.yaml", "tweaks/a.yaml", ".scaffold/status.json"]
)
def test_files_that_never_end(cli, project, name):
    place = project / name
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    with place.open("w") as file:
        file.truncate(100_000_000)  # no block of it is on the disk
    if name == ".scaffold/status.json":
        assert "none yet" in cli("status", cwd=project).out
    else:
        assert (
            "100,000,000 bytes, more than the 32,000,000" in cli("status", cwd=project, code=2).err
        )


def test_evidence_that_is_a_link(cli, project, tmp_path):
    cli("verify", cwd=project)
    (project / "evidence/reproduce.json").rename(tmp_path / "elsewhere.json")
    (project / "evidence/reproduce.json").symlink_to(tmp_path / "elsewhere.json")
    assert "reproduce.json is a link to" in cli("status", cwd=project, code=2).err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".scaffold/dashboard.html", ("dashboard",)),
        ("CERTIFICATE.md", ("certificate", "write")),
        ("runs.csv", ("export", "csv")),
        ("page.html", ("dashboard", "-o", "page.html")),
    ],
)
def test_a_link_leads_no_output_out_of_the_project(cli, reproduced, tmp_path, name, words):
    (tmp_path / "victim").write_text("whole")
    (reproduced / ".scaffold").mkdir(exist_ok=True)
    (reproduced / name).symlink_to(tmp_path / "victim")
    refused = cli.any_status(*words, cwd=reproduced)
    assert refused.code == 2 and "link" in refused.err, refused
    assert (tmp_path / "victim").read_text() == "whole"


@pytest.mark.parametrize("target", [".git/config", ".git/hooks/post-checkout", "data/x.bin"])
def test_a_link_leads_no_output_into_git_or_the_data(cli, reproduced, target):
    write_tree(reproduced, {"data/x.bin": "data"})
    before = (reproduced / ".git/config").read_text()
    (reproduced / "CERTIFICATE.md").symlink_to(reproduced / target)
    refused = cli.any_status("certificate", "write", cwd=reproduced)
    assert refused.code == 2 and "choose another -o" in refused.err
    assert (reproduced / ".git/config").read_text() == before
    assert not (reproduced / ".git/hooks/post-checkout").exists()
    assert (reproduced / "data/x.bin").read_text() == "data"


def test_a_page_may_be_written_below_a_folder_of_the_user_s(cli, reproduced):
    cli("dashboard", "-o", "out/notes.yaml", cwd=reproduced)
    assert (reproduced / "out/notes.yaml").is_file()
