"""The shim in real interpreters: what it shifts, what it leaves, what it reports."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scaffold.running

SHIM = Path(scaffold.running.__file__).parent / "shim"


def run(code: str, how: str, seed: int, tmp_path: Path, python: str = sys.executable) -> tuple[str, dict]:
    report = tmp_path / "report"
    shutil.rmtree(report, ignore_errors=True)
    report.mkdir()
    environment = {
        **os.environ, "PYTHONPATH": str(SHIM), "SCAFFOLD_SEED_HOW": how, "SCAFFOLD_SEED": str(seed),
        "SCAFFOLD_SEED_REPORT": str(report),
    }  # fmt: skip
    done = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout, next(json.loads(path.read_text()) for path in report.glob("*.json"))


SEEDED = {
    "random.seed": "import random; random.seed({}); print(random.random())",
    "random.Random": "import random; print(random.Random({}).random())",
    "numpy.seed": "import numpy as np; np.random.seed({}); print(np.random.rand())",
    "numpy.default_rng": "import numpy as np; print(np.random.default_rng({}).random())",
    "numpy.default_rng keyword": "import numpy as np; print(np.random.default_rng(seed={}).random())",
    "numpy.RandomState": "from numpy.random import RandomState; print(RandomState({}).rand())",
    "numpy.PCG64": "import numpy as np; print(np.random.Generator(np.random.PCG64({})).random())",
    "numpy integer": "import numpy as np; np.random.seed(np.int64({})); print(np.random.rand())",
    "torch.manual_seed": "import torch; torch.manual_seed({}); print(torch.rand(1).item())",
    "torch.Generator": "import torch; g = torch.Generator().manual_seed({}); print(torch.rand(1, generator=g).item())",
    "torch after numpy": "import numpy, torch; torch.random.manual_seed({}); print(torch.rand(1).item())",
}


@pytest.mark.parametrize("code", SEEDED.values(), ids=SEEDED)
def test_offset_is_the_same_as_another_hard_coded_seed(code, tmp_path):
    shifted, report = run(code.format(1337), "offset", 5, tmp_path)
    plain, _ = run(code.format(1342), "watch", 0, tmp_path)
    unshifted, _ = run(code.format(1337), "offset", 0, tmp_path)
    published, _ = run(code.format(1337), "watch", 0, tmp_path)
    assert shifted == plain != unshifted == published
    assert any("1337" in call for calls in report["calls"].values() for call in calls)
    assert report["missed"] == []


def test_offset_leaves_unseeded_calls_and_instance_checks_alone(tmp_path):
    code = (
        "import random, numpy as np, pickle, copy\n"
        "random.seed(); np.random.seed(None)\n"
        "state = np.random.RandomState(3)\n"
        "assert isinstance(np.random.mtrand._rand, np.random.RandomState)\n"
        "assert isinstance(state, np.random.RandomState) and isinstance(random.Random(1), random.Random)\n"
        "assert pickle.loads(pickle.dumps(state)).rand() == copy.deepcopy(state).rand()\n"
        "from sklearn.utils import check_random_state\n"
        "print(check_random_state(3).rand(), check_random_state(np.random.mtrand._rand) is np.random.mtrand._rand)\n"
    )
    out, report = run(code, "offset", 1, tmp_path)
    reference, _ = run("import numpy as np; print(np.random.RandomState(4).rand(), True)", "watch", 0, tmp_path)
    assert out == reference
    assert not any("None" in call for calls in report["calls"].values() for call in calls)


@pytest.mark.parametrize(
    "draw",
    [
        "import random; print(random.random())", "import numpy as np; print(np.random.rand())",
        "import torch; print(torch.rand(1).item())",
    ],
)  # fmt: skip
def test_inject_seeds_a_program_that_never_does(draw, tmp_path):
    first, again, other = (run(draw, "inject", seed, tmp_path)[0] for seed in (3, 3, 4))
    assert first == again != other


def test_seed_that_is_no_integer_is_reported(tmp_path):
    _, report = run("import random; random.seed('text')", "offset", 1, tmp_path)
    assert "which is no integer" in report["missed"][0]


def test_another_sitecustomize_still_runs(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('the other one')\n")
    environment = {**os.environ, "PYTHONPATH": f"{SHIM}{os.pathsep}{tmp_path}", "SCAFFOLD_SEED_HOW": "watch"}
    done = subprocess.run([sys.executable, "-c", ""], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "the other one\n"


def old_interpreters() -> list[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser())
    return [str(path) for minor in (7, 8, 9) for path in sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python"))[:1]]


@pytest.mark.parametrize("python", old_interpreters() or [None])
def test_old_interpreters(python, tmp_path):
    if python is None:
        pytest.skip("no interpreter older than 3.10 on this machine")
    shifted, _ = run(SEEDED["random.seed"].format(1), "offset", 1, tmp_path, python)
    assert shifted == run(SEEDED["random.seed"].format(2), "watch", 0, tmp_path, python)[0]
