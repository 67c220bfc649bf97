"""Nothing of an untrusted recipe runs before it was shown and approved.

What was approved is what runs.
"""

import hashlib
import os
import re
import zipfile
from pathlib import Path

import pytest
import yaml
from helpers import TOY, copy_recipe, edit, merged, toy_recipe, write_tree

from scaffold.environments.lock import format_lock
from scaffold.recipes.catalogue import data_dir

DRIVER = "print('the driver')\n"
PATCH = "--- a/lib/x.py\n+++ b/lib/x.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
CHANGES = {
    "command": {"commands": {"train": {"run": "python train.py {seed} --more"}}},
    "smoke": {"commands": {"smoke": {"run": "python train.py {seed} --more"}}},
    "variable": {"commands": {"train": {"variables": {"X": "y"}}}},
    "directory": {"commands": {"train": {"directory": "lib"}}},
    "network": {
        "commands": {"prepare": {"run": "python train.py 0", "timeout_s": 9, "network": True}}
    },
    "package": {"environment": {"packages": ["pyyaml>=1"]}},
    "build": {"environment": {"build": ["evil"]}},
    "requirements file": {"environment": {"requirements": "requirements.txt"}},
    "hyperparameter": {"hyperparameters": {"x": 1}},
    "device": {"resources": {"device": "cuda"}},
    "seed": {
        "seeds": {"how": "variable", "variable": "SEED"},
        "commands": {"train": {"run": "python train.py"}, "smoke": {"run": "python train.py"}},
    },
    "data": {
        "datasets": [
            {"name": "nothing", "file": "data/x", "sha256": "0" * 64, "place": "x", "license": "x"}
        ]
    },
}


@pytest.fixture
def careful(cli, tmp_path, monkeypatch):
    """Has approved of nothing yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    cli.is_trusting = False
    return cli


@pytest.fixture
def recipe(tmp_path):
    reference = {
        "patches": [{"file": "patches/a.diff", "reason": "it drifted"}],
        "drivers": ["drivers/drive.py"],
    }
    folder = toy_recipe(
        tmp_path / "recipe",
        {"train.py": TOY, "lib/x.py": "x = 1\n", "requirements.txt": "odd==3\n"},
        reference=reference,
    )
    return write_tree(folder, {"patches/a.diff": PATCH, "drivers/drive.py": DRIVER})


def trusted_digest(careful, project) -> str:
    return careful("run", "--json", cwd=project, code=2).json["trust"]


def test_nothing_runs_before_it_was_shown_and_approved(careful, recipe):
    project = careful.new(recipe)
    for command in (["run"], ["run", "--smoke"], ["verify"]):
        error = careful(*command, cwd=project, code=2).err
        assert "toy runs what did not come with mlloop-new, and was not approved yet" in error
        for shown in (
            "python train.py SEED",
            "it drifted",
            "+x = 2",
            "print('the driver')",
            "packages   none",
        ):
            assert shown in error
        assert re.search(r"repeat with --trust [0-9a-f]{64}", error)
    assert not (project / ".scaffold/runs").exists() and not (project / "environment.lock").exists()
    assert "not approved yet" in careful("recipes", "calibrate", recipe, "--runs", 2, code=2).err


def test_words_of_a_command_are_told_apart(careful, tmp_path):
    commands = {"train": {"run": "python train.py {seed} 'rm x' {{}}", "timeout_s": 20}}
    project = careful.new(toy_recipe(tmp_path / "quoted", commands=commands))
    assert "python train.py SEED 'rm x' '{}'" in careful("run", cwd=project, code=2).err


def test_approval_is_asked_for_once(careful, recipe):
    project = careful.new(recipe)
    digest = trusted_digest(careful, project)
    wrong = careful("run", "--trust", "0" * 64, cwd=project, code=2).err
    assert f"--trust {'0' * 64} is not the digest of what would run" in wrong
    careful("run", "--smoke", "--trust", digest, cwd=project)
    careful("run", "--smoke", "--rerun", cwd=project)
    # The same program in another project.
    careful("run", "--smoke", cwd=careful.new(recipe, "second"))


def test_a_new_project_says_so_and_its_workflow_runs_nothing_of_it(careful, recipe, tmp_path):
    said = careful("new", "theirs", "--from", recipe, "--no-input").out
    assert "Consent    an untrusted recipe" in said
    assert "Consent" not in careful("new", "ours", "--no-input").out
    workflow = {
        name: (tmp_path / name / ".github/workflows/reproduce.yml").read_text()
        for name in ("ours", "theirs")
    }
    assert "\n      - run: scaffold run --smoke\n" in workflow["ours"]
    assert "- run: scaffold" not in workflow["theirs"].replace("# - run", "")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_asked_for_again(careful, recipe, change):
    project = careful.new(recipe)
    digest = trusted_digest(careful, project)
    careful("run", "--smoke", "--trust", digest, cwd=project)
    changed = merged(yaml.safe_load((project / "recipe.yaml").read_text()), CHANGES[change])
    (project / "recipe.yaml").write_text(yaml.safe_dump(changed))
    assert trusted_digest(careful, project) != digest
    if change == "requirements file":
        assert "| odd==3" in careful("run", cwd=project, code=2).err


DATA = {"name": "nothing", "file": "data/x", "place": "x", "license": "x"}
PREPARE = {"run": "python train.py 0", "timeout_s": 9}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"commands": {"prepare": PREPARE}},
            {"commands": {"prepare": {**PREPARE, "network": True}}},
        ),
        (
            {"datasets": [{**DATA, "sha256": "0" * 64}]},
            {"datasets": [{**DATA, "sha256": "1" * 64}]},
        ),
    ],
)
def test_a_change_of_one_word_is_asked_for_again(careful, tmp_path, before, after):
    project = careful.new(write_tree(toy_recipe(tmp_path / "recipe", **before), {"data/x": "x"}))
    first = trusted_digest(careful, project)
    changed = merged(yaml.safe_load((project / "recipe.yaml").read_text()), after)
    (project / "recipe.yaml").write_text(yaml.safe_dump(changed))
    assert trusted_digest(careful, project) != first


@pytest.mark.parametrize("file", ["patches/a.diff", "drivers/drive.py"])
def test_a_changed_file_is_asked_for_again(careful, recipe, file):
    project = careful.new(recipe)
    careful("run", "--smoke", "--trust", trusted_digest(careful, project), cwd=project)
    with (project / file).open("a") as opened:
        opened.write("\n")
    assert "not approved yet" in careful("run", cwd=project, code=2).err


def test_another_reference_is_asked_for(careful, recipe, tmp_path):
    project = careful.new(recipe)
    careful("run", "--smoke", "--trust", trusted_digest(careful, project), cwd=project)
    other = copy_recipe(recipe, tmp_path / "other recipe", {"train.py": ("0.9 +", "0.8 +")})
    assert "not approved yet" in careful("run", cwd=careful.new(other, "other"), code=2).err


def test_an_approval_in_a_project_counts_for_nothing(careful, recipe, tmp_path):
    project = careful.new(recipe)
    digest = trusted_digest(careful, project)
    for place in (".scaffold/approved", "approved", ".scaffold/state/approved"):
        write_tree(project, {f"{place}/{digest}": "toy"})
    assert "not approved yet" in careful("run", cwd=project, code=2).err


def test_ours_need_no_approval_in_a_clone_too(careful, tmp_path, isolated, monkeypatch):
    from scaffold.consent import require_consent
    from scaffold.errors import ConsentError
    from scaffold.project.project import Project, load_recipe

    project = Project(careful.new("digits-cnn"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another persons"))
    require_consent(load_recipe(project), project.root)
    edit = {"train.py": ("import", "import os, ")}
    ours = copy_recipe(data_dir("recipes") / "digits-cnn", tmp_path / "forged recipe", edit)
    error = careful("run", cwd=careful.new(ours, "forged"), code=2).err
    assert "digits-cnn runs what did not come with mlloop-new" in error  # whatever it calls itself
    text = (project.root / "recipe.yaml").read_text().replace("epochs: 20", "epochs: 21")
    (project.root / "recipe.yaml").write_text(text)
    with pytest.raises(ConsentError):
        require_consent(load_recipe(project), project.root)


def test_what_a_person_sets_of_ours_is_approved_with_it(careful):
    from scaffold.consent import require_consent
    from scaffold.project.project import Project, load_recipe

    careful("new", "mine", "--from", "digits-cnn", "--set", "epochs=3", "--no-input")
    project = Project(Path.cwd() / "mine")
    require_consent(load_recipe(project), project.root)


def test_approval_where_the_home_cannot_be_written(careful, recipe, tmp_path, monkeypatch):
    project = careful.new(recipe)
    (tmp_path / "in the way").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "in the way"))
    digest = trusted_digest(careful, project)
    careful("run", "--smoke", "--trust", digest, cwd=project)


# --- packages -----------------------------------------------------------------------------------


def source_package(folder, marker):
    """A source package that needs nothing to be built, and leaves the marker when it is."""
    import io
    import tarfile

    folder.mkdir()
    builds = f"open({str(marker)!r}, 'w').write('built')\n"
    files = {
        "pyproject.toml": (
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        ),
        "backend.py": builds,
        "PKG-INFO": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
    }
    with tarfile.open(folder / "evil-1.0.tar.gz", "w:gz") as file:
        for name, text in files.items():
            info = tarfile.TarInfo(f"evil-1.0/{name}")
            info.size = len(text)
            file.addfile(info, io.BytesIO(text.encode()))


def test_no_package_is_built_unless_the_recipe_says_so(cli, tmp_path, marker, monkeypatch):
    source_package(tmp_path / "index", marker)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    project = cli.new(toy_recipe(tmp_path / "recipe", environment={"packages": ["evil"]}))
    error = cli("run", cwd=project, code=4).err
    assert "the environment could not be made" in error and "environment.build" in error
    # Nor does a lock that came with a project bring it about.
    recipe = toy_recipe(tmp_path / "locked")
    locked = cli.new(recipe, "locked-project")
    cli("run", "--smoke", cwd=locked)
    from scaffold.environments.lock import format_lock

    lines = (locked / "environment.lock").read_text().splitlines()[1:-1]
    (locked / "environment.lock").write_text(format_lock([*lines, "evil==1.0"]))
    assert "made elsewhere and installs evil==1.0" in cli("run", "--smoke", cwd=locked, code=2).err


def test_a_package_that_the_recipe_names_is_built(cli, tmp_path, marker, monkeypatch):
    source_package(tmp_path / "index", marker)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    environment = {"packages": ["evil"], "build": ["evil"]}
    project = cli.new(toy_recipe(tmp_path / "recipe", environment=environment))
    cli.any_status("run", "--smoke", cwd=project)
    assert marker.exists()
    marker.unlink()


@pytest.mark.parametrize(
    "line", ["-e .", "-e ${PWD}/reference", "-r ../../x", "./local", "evil @ file:///tmp/evil"]
)
def test_requirements_that_are_more_than_packages(cli, tmp_path, marker, line, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    builds = f"open({str(marker)!r}, 'w').write('built')\n"
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {"train.py": TOY, "requirements.txt": f"{line}\n"}
    files |= {
        f"{place}{name}": text
        for place in ("", "local/")
        for name, text in (("pyproject.toml", backend), ("backend.py", builds))
    }
    project = cli.new(
        toy_recipe(tmp_path / "recipe", files, environment={"requirements": "requirements.txt"})
    )
    monkeypatch.setenv("PWD", str(project))  # which uv puts in
    error = cli("run", cwd=project, code=4).err
    assert "which is not a package of an index" in error or "leads out of the reference" in error
    assert (
        not os.path.exists(project / ".scaffold/runs")
        or os.listdir(project / ".scaffold/runs") == []
    )


def test_a_lock_that_was_made_elsewhere_is_shown_and_asked_for(cli, calibrated_recipe):
    """It may install more than the recipe asks for, and what is installed runs."""
    project = cli.new(calibrated_recipe)
    cli("run", cwd=project)
    cli.is_trusting = False
    cli("run", "--rerun", cwd=project)
    lines = (project / "environment.lock").read_text().splitlines()[1:-1]
    (project / "environment.lock").write_text(format_lock([*lines, "one-more==1.0"]))
    refused = cli("run", "--rerun", "--json", code=2, cwd=project).json["error"]
    assert (
        "lock       made elsewhere, installs exactly:\n" in refused and "- one-more==1.0" in refused
    )
    (project / "environment.lock").unlink()
    cli("run", "--rerun", cwd=project)


def wheel(index: Path, name: str, needs: str = "") -> None:
    """An empty package in a folder that pip looks into."""
    index.mkdir(exist_ok=True)
    needs = f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(index / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "x = 1\n")
        file.writestr(
            f"{name}-1.0.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}",
        )
        file.writestr(
            f"{name}-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr(f"{name}-1.0.dist-info/RECORD", "")


def test_a_lock_of_others_installs_only_what_the_recipe_needs(cli, tmp_path, monkeypatch):
    """Also after consent, which is to what it is shown to install, not to what it is needed for."""
    index = tmp_path / "index"
    for name, needs in (("asked", "needed"), ("needed", ""), ("further", "")):
        wheel(index, name, needs)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    project = cli.new(toy_recipe(tmp_path / "recipe", environment={"packages": ["asked"]}))
    cli("run", cwd=project)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another cache"))
    cli("run", cwd=project)  # what others resolved, and follows from the recipe
    lines = (project / "environment.lock").read_text().splitlines()[1:-1]
    assert any(line.startswith("needed==1.0") for line in lines)
    digest = hashlib.sha256((index / "further-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    lines += ["further==1.0 \\", f"    --hash=sha256:{digest}"]
    (project / "environment.lock").write_text(format_lock(lines))
    error = cli("run", "--rerun", code=2, cwd=project).err
    assert (
        "environment.lock was made elsewhere and installs further==1.0, which nothing asked for"
        " needs" in error
    )


def test_after_an_edit_only_what_changed_is_shown(cli, tmp_path):
    cli.is_trusting = False
    recipe = toy_recipe(tmp_path / "recipe", commands={"smoke": None})
    project = cli.new(recipe)
    first = cli("run", code=2, cwd=project).err
    assert "python train.py SEED" in first and "changed since" not in first
    cli("run", "--trust", re.search(r"--trust (\w+)", first)[1], cwd=project)
    edit(project, "recipe.yaml", "python train.py {seed}", "python train.py {seed} --more")
    second = cli("run", code=2, cwd=project).err
    assert "changed since you approved it" in second
    assert (
        "- train      python train.py SEED\n" in second
        and "+ train      python train.py SEED --more\n" in second
    )
    assert "packages" not in second and "tree" not in second


def test_a_change_beyond_the_shown_lines_is_shown(cli, tmp_path):
    cli.is_trusting = False
    recipe = toy_recipe(
        tmp_path / "recipe", reference={"drivers": ["drivers/long.py"]}, commands={"smoke": None}
    )
    write_tree(recipe, {"drivers/long.py": "x = 1\n" * 300})
    project = cli.new(recipe)
    first = cli("run", code=2, cwd=project).err
    assert "| ... 100 more lines" in first and first.count("| x = 1") == 200
    cli("run", "--trust", re.search(r"--trust (\w+)", first)[1], cwd=project)
    # Together with one that would be shown anyway.
    (project / "drivers/long.py").write_text("x = 1\n" * 299 + "import os\n")
    edit(project, "recipe.yaml", "{seed}", "{seed} --more")
    second = cli("run", code=2, cwd=project).err
    assert "+ | import os" in second
    assert len(re.findall(r"[-+] driver     drivers/long.py  [0-9a-f]{12}", second)) == 2


def test_a_change_that_no_line_shows_is_shown_whole(cli, tmp_path):
    cli.is_trusting = False
    recipe = toy_recipe(
        tmp_path / "recipe", commands={"smoke": None}, environment={"python": ">=3.10,!=3.10.98"}
    )
    project = cli.new(recipe)
    first = cli("run", code=2, cwd=project).err
    cli("run", "--trust", re.search(r"--trust (\w+)", first)[1], cwd=project)
    edit(project, "recipe.yaml", "!=3.10.98", "!=3.10.99")
    second = cli("run", "--rerun", code=2, cwd=project).err
    assert "changed since" not in second and "packages" in second


def test_a_change_of_what_is_no_text_is_shown(cli, tmp_path):
    cli.is_trusting = False
    recipe = toy_recipe(
        tmp_path / "recipe", reference={"drivers": ["drivers/data.bin"]}, commands={"smoke": None}
    )
    write_tree(recipe, {"drivers/data.bin": b"\xff\x00"})
    project = cli.new(recipe)
    first = cli("run", code=2, cwd=project).err
    cli("run", "--trust", re.search(r"--trust (\w+)", first)[1], cwd=project)
    (project / "drivers/data.bin").write_bytes(b"\xff\x01")
    second = cli("run", code=2, cwd=project).err
    assert len(re.findall(r"[-+] driver     drivers/data.bin  [0-9a-f]{12}", second)) == 2
