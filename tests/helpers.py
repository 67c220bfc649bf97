"""Small real things that tests are made of.

File trees, git repositories, recipes, and the command line.
"""

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from click.testing import CliRunner
from forked_programs import run_program
from pydantic import TypeAdapter

from scaffold.git.trees import content_id
from scaffold.views.kinds import FORMAT, KINDS

if TYPE_CHECKING:
    from scaffold.rules.parity.checks import Trace

TOY = """\
    import json, random, sys
    random.seed(int(sys.argv[1]))
    for epoch in range(1, 4):
        print(f"epoch {epoch}: loss {2.0 / epoch + random.gauss(0, 0.01):.6f}")
    accuracy = 0.9 + random.gauss(0, 0.01)
    json.dump({"accuracy": accuracy}, open("metrics.json", "w"))
    """

TWEAKABLE = """\
    import json, random, sys

    args = dict(word.split("=") for word in sys.argv[1:])
    random.seed(int(args["seed"]))
    LEVEL = 0.9


    def measure_loss(epoch):
        return 2.0 / epoch + random.uniform(-0.01, 0.01)


    def measure_accuracy():
        return LEVEL + 0.01 * float(args["gain"]) + random.gauss(0, 0.01)


    total = 0
    for number in range(int(args["work"])):
        total += number
    for epoch in range(1, 4):
        print(f"epoch {epoch}: loss {measure_loss(epoch):.6f}")
    json.dump({"accuracy": measure_accuracy()}, open("metrics.json", "w"))
    """

ACCURACY = {
    "name": "accuracy",
    "split": "test",
    "direction": "higher",
    "unit": "fraction",
    "read": {"json": "metrics.json", "key": "accuracy"},
}
TOY_RECIPE = {
    "format": 1,
    "id": "toy",
    "title": "A reference that takes milliseconds",
    "task": "testing",
    "reference": {"path": "reference", "tree": "", "license": "MIT"},
    "datasets": [{"name": "nothing", "generated": "random numbers", "license": "none"}],
    "environment": {"python": ">=3.10"},
    "commands": {
        "train": {"run": "python train.py {seed}", "timeout_s": 20},
        "smoke": {"run": "python train.py {seed}", "timeout_s": 20},
    },
    "seeds": {"how": "argument"},
    "metrics": [
        ACCURACY,
        {
            "name": "loss",
            "split": "train",
            "direction": "lower",
            "unit": "nat",
            "monitored": True,
            "read": {"stdout": r"epoch (?P<step>\d+): loss (?P<value>\S+)"},
        },
    ],
    "progress": {"stdout": r"epoch (?P<step>\d+)", "total": 3},
    "resources": {"device": "cpu", "run_time_s": 0.1, "hardware": "any"},
    "claims": [
        {
            "metric": "accuracy",
            "dataset": "nothing",
            "basis": "training",
            "value": 0.9,
            "selection": "one_run",
            "source": {"url": "https://example.org/paper", "words": "0.9"},
        },
    ],
}


def write_tree(root: Path, files: dict[str, str | bytes]) -> Path:
    """Write files (dedented text, or bytes) below a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            content if isinstance(content, bytes) else textwrap.dedent(content).encode()
        )
    return root


def merged(base: dict, changes: dict) -> dict:
    """A copy of nested mappings with some values replaced; None removes a key."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def toy_recipe(folder: Path, files: dict[str, str | bytes] | None = None, **changes) -> Path:
    """A recipe folder whose reference is `files`; `changes` are merged into the recipe."""
    write_tree(folder / "reference", files or {"train.py": TOY})
    recipe = merged(TOY_RECIPE, changes)
    if recipe["reference"].get("tree") == "":
        recipe["reference"]["tree"] = content_id(folder / "reference")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return folder


def copy_recipe(
    source: Path, target: Path, edit: dict[str, tuple[str, str]] | None = None, **changes
) -> Path:
    """A copy of a recipe folder with text replaced in reference files, its tree id made right.

    Calibration kept.
    """
    shutil.copytree(source, target)
    for name, (old, new) in (edit or {}).items():
        path = target / "reference" / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new))
    recipe = merged(yaml.safe_load((target / "recipe.yaml").read_text()), changes)
    recipe["reference"]["tree"] = content_id(target / "reference")
    (target / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return target


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_repository(folder: Path, files: dict[str, str | bytes]) -> str:
    """A git repository with one commit of these files; returns the commit's id."""
    write_tree(folder, files)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "all of it")
    git(folder, "config", "uploadpack.allowFilter", "true")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    return git(folder, "rev-parse", "HEAD")


def git_recipe(folder: Path, repository: Path, revision: str, **changes) -> Path:
    """A recipe whose reference is a commit of a local git repository."""
    tree = git(repository, "rev-parse", f"{revision}^{{tree}}")
    reference = {
        "path": None,
        "git": f"file://{repository}",
        "revision": revision,
        "tree": tree,
        "license": "MIT",
        **changes.pop("reference", {}),
    }
    folder.mkdir(parents=True)
    recipe = merged(merged(TOY_RECIPE, {"reference": reference}), changes)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return folder


def edit(project: Path, path: str, old: str, new: str) -> None:
    """Replace a text in a file of a project, once."""
    file = project / path
    text = file.read_text()
    assert old in text, f"{old!r} is not in {path}"
    file.write_text(text.replace(old, new, 1))


def accepted(
    cli,
    project: Path,
    name: str,
    *edits: tuple[str, str, str],
    kind: str = "neutral",
    reason: str = "",
) -> None:
    """A whole tweak of a `tweakable_recipe` project: start, edit, verify, accept."""
    cli("tweak", "start", name, "--kind", kind, cwd=project)
    for path, old, new in edits:
        edit(project, path, old, new)
    cli.any_status("verify", "--json", cwd=project)
    cli("tweak", "accept", *(["--reason", reason] if reason else []), cwd=project)


RENAME = ("src/train.py", "import json, random, sys", "import random, json, sys")
BETTER = ("src/train.py", "LEVEL = 0.9", "LEVEL = 0.95")
WORSE = ("src/train.py", "LEVEL = 0.9", "LEVEL = 0.87")
"""Edits of a `tweakable_recipe` project."""


def approved(folder: Path) -> Path:
    """A recipe's or project's folder, whose program is approved as a user would."""
    from scaffold.consent import approve
    from scaffold.project.project import Project, load_recipe

    approve(load_recipe(Project(folder)), folder)
    return folder


def interruptible() -> None:
    """For `preexec_fn`: a test run in the background ignores Ctrl-C.

    And its children would inherit that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def living_in(project: Path) -> list[int]:
    """Processes, not yet ended, of runs of a project.

    Each was started with a variable that names its folder.
    """
    named, found = os.fsencode(f"{project}/.scaffold/runs/"), []
    for process in Path("/proc").iterdir():
        try:
            if (
                not process.name.isdigit()
                or "Z" in (process / "stat").read_text().rpartition(")")[2][:3]
            ):
                continue
            if (
                named in (process / "environ").read_bytes()
                or named in (process / "cmdline").read_bytes()
            ):
                found.append(int(process.name))
        except OSError:
            continue  # ended meanwhile
    return found


def wait_for(condition, limit_s: float = 20.0) -> None:
    """Until it holds; fails when that takes too long."""
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.02)


NETWORK = """\
import json, sys
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 12)
        self.norm = nn.BatchNorm1d(12)
        self.dropout = nn.Dropout(0.25)
        self.last = nn.Linear(12, 3)

    def forward(self, x):
        return self.last(self.dropout(F.relu(self.norm(self.first(x)))))


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        logits = model(x)
    model.train()
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


torch.manual_seed(0)
x, y = torch.randn(96, 6), torch.randint(0, 3, (96,))
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 4, 0.5)
for epoch in range(5):
    order = torch.randperm(64)
    total = 0.0
    for at in range(0, 64, 16):
        rows = order[at : at + 16]
        loss = F.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
    test_loss, accuracy = evaluate(model, x[64:], y[64:])
with open("metrics.json", "w") as file:
    json.dump({"accuracy": accuracy, "loss": total / 4}, file)
"""
"""A training program with all that the parity checks compare, in a second."""


def trace_program(
    folder: Path, program: str = NETWORK, golden: Path | None = None, dtype: str = "own", **asked
) -> "Trace":
    """One traced run of a program, in a folder of its own."""
    import scaffold.running.shim as shim
    from scaffold.rules.parity.checks import Trace
    from scaffold.running.tracing import read_traces

    (folder / "trace").mkdir(parents=True)
    (folder / "train.py").write_text(program)
    spec = {
        "out": str(folder / "trace"),
        "golden": str(golden) if golden else None,
        "dtype": dtype,
        "replay": False,
        "weights": {},
        "flip": False,
        "by_gradient": False,
        "disturb": False,
        "functions": None,
        "real": False,
        **asked,
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    env = {
        **os.environ,
        "PYTHONPATH": shim.__path__[0],
        "SCAFFOLD_SEED_HOW": "argument",
        "SCAFFOLD_STREAMS": "1",
        "SCAFFOLD_SEED_REPORT": str(folder),
        "SCAFFOLD_TRACE": str(folder / "spec.json"),
        "OMP_NUM_THREADS": "1",
    }
    done = run_program(["train.py"], cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    index, arrays = read_traces(folder / "trace")["train"]
    metrics = folder / "metrics.json"
    return Trace(
        index=index,
        arrays=arrays,
        metrics=json.loads(metrics.read_text()) if metrics.exists() else {},
    )


class Person:
    """Types commands in a project's folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def types(self, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            [Path(sys.executable).parent / words[0], *words[1:]],
            cwd=self.folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == status, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def asks(self, *words: str, status: int = 0):
        return json.loads(self.types(*words, "--json", status=status))

    def edits(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new, 1))

    def main_tree(self, path: str = "src") -> str:
        return git(self.folder, "rev-parse", f"main:{path}")


class Result:
    """What a command printed, and its exit status."""

    def __init__(self, result):
        self.code = result.exit_code
        self.out = result.stdout
        self.err = result.stderr

    @property
    def json(self):
        """The answer, which must have the shape of its kind."""
        content = json.loads(self.out)
        assert content["format"] == FORMAT
        shape = TypeAdapter(KINDS[content["kind"]])
        shaped = json.loads(shape.dump_json(shape.validate_python(content)))
        assert shaped == content, "fields that the shape does not name"
        return content

    def __repr__(self):
        return f"<exit status {self.code}\n{self.out}{self.err}>"


class Cli:
    """Calls `scaffold ...` in this process and checks the exit status.

    Unless told otherwise it trusts any recipe.
    """

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch
        self.is_trusting = True

    def any_status(self, *arguments, cwd: Path | None = None) -> Result:
        """Call a command, whatever its exit status."""
        result = self._invoke(arguments, cwd)
        asked = re.search(r"--trust ([0-9a-f]{64})", result.out + result.err)
        if self.is_trusting and result.code == 2 and asked:
            result = self._invoke((*arguments, "--trust", asked[1]), cwd)
        return result

    def _invoke(self, arguments, cwd: Path | None) -> Result:
        from scaffold.cli import main
        from scaffold.git import gitdir

        gitdir.opened.cache_clear()  # each command is a process of its own
        with self.monkeypatch.context() as patch:
            if cwd is not None:
                patch.chdir(cwd)
            return Result(CliRunner().invoke(main, [str(argument) for argument in arguments]))

    def __call__(self, *arguments, code: int = 0, cwd: Path | None = None) -> Result:
        result = self.any_status(*arguments, cwd=cwd)
        assert result.code == code, result
        return result

    def new(self, recipe: Path | str, name: str = "project", **options) -> Path:
        """Make a project in the present folder."""
        self("new", name, "--from", recipe, "--no-input", **options)
        project = Path.cwd() / name
        return approved(project) if self.is_trusting else project
