"""Built as a wheel, as a wheel from the sdist, and editable.

The same data, and `mlloop-new` works from each.
"""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from helpers import git

ROOT = Path(__file__).parent.parent.parent


def call(*arguments, cwd=ROOT, **options) -> str:
    done = subprocess.run(
        [str(a) for a in arguments], cwd=cwd, capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel from the checkout, the sdist, and the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    call(*build, folder, "--wheel", "--sdist", ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    call(*build, folder / "second", "--wheel", source)
    return next(folder.glob("*.whl")), next((folder / "second").glob("*.whl"))


def test_wheel_from_sdist_is_the_same(built):
    first, second = (sorted(zipfile.ZipFile(wheel).namelist()) for wheel in built)
    assert first == second
    for name in (
        "scaffold/_data/recipes/digits-cnn/calibration.json",
        "scaffold/_data/templates/project/.gitignore",
        "scaffold/_data/templates/project/.github/workflows/reproduce.yml.jinja",
        "scaffold/running/shim/sitecustomize.py",
        "scaffold/_data/docs/schemas/recipe.schema.json",
        "scaffold/_data/docs/glossary.md",
    ):
        assert name in first
    assert not [
        name
        for name in first
        if name.startswith(("tests/", "recipes/", "templates/")) or name.endswith(".pyc")
    ]


@pytest.mark.parametrize("kind", ["wheel", "wheel from sdist", "editable"])
def test_mlloop_new_works_from(kind, built, tmp_path):
    call(
        sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"
    )
    python = tmp_path / "venv/bin/python"
    # The dependencies of this environment, but not its editable install: .pth files found on such a
    # path are not read.
    site = Path(
        call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    what = (
        ["--editable", ROOT, "--no-build-isolation"]
        if kind == "editable"
        else [built[kind != "wheel"]]
    )
    call(
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        python,
        *what,
    )
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    where = call(python, "-c", "import scaffold; print(scaffold.__file__)", cwd=tmp_path).strip()
    assert (str(ROOT) in where) == (kind == "editable")
    said = call(
        python.parent / "mlloop-new",
        "project",
        "--from",
        "digits-cnn",
        "--no-input",
        cwd=tmp_path,
        env=environment,
    )
    assert "tree verified" in said
    project = tmp_path / "project"
    assert git(project, "status", "--porcelain") == ""
    assert "scaffold verify" in call(
        python.parent / "scaffold", "next", cwd=project, env=environment
    )
    assert "nanogpt-shakespeare" in call(
        python.parent / "scaffold", "recipes", "list", cwd=tmp_path, env=environment
    )
