"""Requirements against the running interpreter, and pip's settings in uv's words."""

import os
import re
from datetime import date

import pytest

from scaffold.environments import resolve as resolve_lock
from scaffold.environments import reuse, uv
from scaffold.environments.downloads import DownloadProgress
from scaffold.environments.pip_config import read_pip_settings, translate
from scaffold.environments.prepare import prepare_environment
from scaffold.environments.reuse import unmet_requirements
from scaffold.errors import FetchError
from scaffold.project.project import ProgramSource
from scaffold.records.program import Environment


@pytest.mark.parametrize(
    ("requirement", "unmet"),
    [
        ("pytest", False),
        ("pytest>=8", False),
        ("pytest<2", True),
        ("no-such-package-at-all", True),
        ("pytest; python_version < '3'", False),
        ("-r other.txt", True),
        ("PyYAML", False),
        ("pyyaml[extra]", False),
    ],
)
def test_unmet_requirements(requirement, unmet):
    assert unmet_requirements([requirement]) == ([requirement] if unmet else [])


def test_pip_settings_are_read_as_pip_does(tmp_path):
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://one.example/simple\nfind_links ="
        " /wheels\n[install]\nno-index = true\n[list]\nformat = json\n"
    )
    special = tmp_path / "special.conf"
    special.write_text("[global]\ncert = /ca.pem\n")
    variables = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": str(special),
        "PIP_INDEX_URL": "https://two.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://three.example https://four.example",
    }
    settings = read_pip_settings(variables)
    assert settings["index-url"] == "https://two.example/simple"  # a variable wins over a file
    assert (
        settings["find-links"] == "/wheels"
        and settings["cert"] == "/ca.pem"
        and "format" not in settings
    )


def test_pip_settings_in_uvs_words():
    translated = translate(
        {
            "index-url": "https://one",
            "extra-index-url": "https://two\nhttps://three",
            "find-links": "/a /b",
            "constraint": "c.txt",
            "trusted-host": "one",
            "no-index": "true",
            "cert": "/ca.pem",
            "timeout": "180",
            "quiet": "1",
        }
    )
    assert list(translated.options) == [
        "--default-index",
        "https://one",
        "--index",
        "https://two",
        "--index",
        "https://three",
        "--index-strategy",
        "unsafe-best-match",
        "--find-links",
        "/a",
        "--find-links",
        "/b",
        "--allow-insecure-host",
        "one",
        "--no-index",
    ]
    assert translated.constraints == ("--constraints", "c.txt")
    assert translated.environment == {"SSL_CERT_FILE": "/ca.pem", "UV_HTTP_TIMEOUT": "180"}
    assert translate({}).options == ()


UV = """\
#!/usr/bin/env python3
import sys
with open({log!r}, "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
if "pylock.toml" in sys.argv:
    print('''
[[packages]]
name = "torch"
wheels = [{{url = "https://files.example/torch.whl", size = 526574961}}]
[[packages]]
name = "nvidia-cublas"
wheels = [{{url = "https://files.example/cublas.whl", size = 400000000}}]
''')
elif sys.argv[1:3] == ["pip", "compile"] and "--torch-backend" in sys.argv:
    if {fails}:
        sys.exit("no such host")
    assert "torch==2.13.0" in sys.stdin.read()
    print("torch==2.13.0+cpu")
elif sys.argv[1:3] == ["pip", "compile"]:
    print("nvidia-cublas==13.0\\ntorch==2.13.0")
elif sys.argv[1:3] == ["pip", "install"]:
    sys.exit("cancelled")
elif sys.argv[1] == "venv":
    import os
    os.makedirs(sys.argv[-1])
"""


@pytest.fixture
def resolve(tmp_path, monkeypatch):
    """Prepare an environment with torch, by a uv that only notes how it was called."""

    def call(*, device="cpu", fails=False, **variables):
        log, program = tmp_path / "log", tmp_path / "uv"
        program.write_text(UV.format(log=str(log), fails=fails))
        program.chmod(0o755)
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(uv, "_uv_program", lambda: str(program))
        for module in (resolve_lock, reuse):
            monkeypatch.setattr(module, "unmet_requirements", lambda lines: list(lines))
        source = ProgramSource(folder=tmp_path, tree=tmp_path, lock=tmp_path / "environment.lock")
        wanted = Environment(python=">=3.10", packages=("torch",), as_of=date(2026, 8, 1))
        said: list[str] = []
        with pytest.raises(FetchError, match="cancelled"):
            prepare_environment(source, wanted, lambda: None, device=device, announce=said.append)
        left = list((tmp_path / "cache/mlloop-new/environments").glob("*-*"))
        assert [path for path in left if path.is_dir()] == []  # of what was cut off nothing stays
        return source.lock.read_text(), "\n".join(said), log.read_text()

    return call


def test_a_cpu_recipe_takes_the_cpu_build_of_torch(resolve):
    lock, _, calls = resolve()
    assert "torch==2.13.0+cpu" in lock and "nvidia" not in lock
    compiled = next(line for line in calls.splitlines() if "--torch-backend cpu" in line)
    assert (
        "--exclude-newer-package torch=false" in compiled
        and "--exclude-newer 2026-08-01" in compiled
    )
    assert "--torch-backend cpu" in next(
        line for line in calls.splitlines() if line.startswith("pip install")
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "cuda"},
        {"PIP_INDEX_URL": "https://mirror.example/simple"},
        {"PIP_FIND_LINKS": "/wheels"},
    ],
)
def test_another_device_or_index_keeps_what_was_resolved(resolve, changes):
    lock, _, calls = resolve(**changes)
    assert "torch==2.13.0\n" in lock and "--torch-backend" not in calls


def test_gigabytes_are_announced_before_they_come(resolve):
    lock, said, _ = resolve(fails=True)
    assert "torch==2.13.0\n" in lock
    assert "the CPU build of torch cannot be had here" in said
    assert (
        "environment: 2 packages for Python" in said and "up to 927 MB from files.example" in said
    )
    assert "1 of them are for GPUs" in said


def test_progress_of_a_download_with_the_time_left():
    said = []
    progress = DownloadProgress(said.append)
    lines = [
        "Resolved 2 packages in 5ms",
        "Downloading torch (180.5MiB)",
        "Downloading numpy (512.0KiB)",
    ]
    for line in [*lines, " Downloaded numpy", " Downloaded torch", " Downloaded unknown"]:
        progress.read(line)
    assert re.fullmatch(r"environment: 1 of 190 MB downloaded, about \d+ s left", said[0])
    assert said[1:] == ["environment: 190 of 190 MB downloaded"]
