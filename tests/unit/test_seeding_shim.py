"""The shim in real interpreters: what it shifts, what it leaves, what it reports."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forked_programs import run_program

import scaffold.running

SHIM = Path(scaffold.running.__file__).parent / "shim"


def run(
    code: str, how: str, seed: int, tmp_path: Path, python: str = sys.executable
) -> tuple[str, dict]:
    report = tmp_path / "report"
    shutil.rmtree(report, ignore_errors=True)
    report.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(SHIM),
        "SCAFFOLD_SEED_HOW": how,
        "SCAFFOLD_SEED": str(seed),
        "SCAFFOLD_SEED_REPORT": str(report),
    }
    if python == sys.executable:
        done = run_program(["-c", code], cwd=Path.cwd(), env=environment)
    else:
        done = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
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
    plain, _ = run(code.format(1342), "monitored", 0, tmp_path)
    unshifted, _ = run(code.format(1337), "offset", 0, tmp_path)
    published, _ = run(code.format(1337), "monitored", 0, tmp_path)
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
    reference, _ = run(
        "import numpy as np; print(np.random.RandomState(4).rand(), True)", "monitored", 0, tmp_path
    )
    assert out == reference
    assert not any("None" in call for calls in report["calls"].values() for call in calls)


@pytest.mark.parametrize(
    "draw",
    [
        "import random; print(random.random())",
        "import numpy as np; print(np.random.rand())",
        "import torch; print(torch.rand(1).item())",
    ],
)
def test_inject_seeds_a_program_that_never_does(draw, tmp_path):
    first, again, other = (run(draw, "inject", seed, tmp_path)[0] for seed in (3, 3, 4))
    assert first == again != other


def test_seed_that_is_no_integer_is_reported(tmp_path):
    _, report = run("import random; random.seed('text')", "offset", 1, tmp_path)
    assert "which is not an integer" in report["missed"][0]


def test_a_generator_that_is_passed_on_was_seeded_when_it_was_made(tmp_path):
    code = (
        "import numpy as np\n"
        "own = np.random.default_rng(3)\n"
        "assert np.random.default_rng(own) is own\n"
        "print(own.random(), np.random.default_rng(np.random.PCG64(3)).random())\n"
    )
    out, report = run(code, "offset", 1, tmp_path)
    expected = "import numpy as np; print(*[np.random.default_rng(4).random()] * 2)"
    assert out == run(expected, "monitored", 0, tmp_path)[0]
    assert report["missed"] == []
    assert not any("Generator" in call for call in report["calls"]["numpy"])


def test_another_sitecustomize_still_runs(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('the other one')\n")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{SHIM}{os.pathsep}{tmp_path}",
        "SCAFFOLD_SEED_HOW": "monitored",
    }
    done = subprocess.run(
        [sys.executable, "-c", ""], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "the other one\n"


def old_interpreters() -> list[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser())
    return [
        str(path)
        for minor in (7, 8, 9)
        for path in sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python"))[:1]
    ]


@pytest.mark.parametrize("python", old_interpreters() or [None])
def test_old_interpreters(python, tmp_path):
    if python is None:
        pytest.skip("no interpreter older than 3.10 on this machine")
    shifted, _ = run(SEEDED["random.seed"].format(1), "offset", 1, tmp_path, python)
    assert shifted == run(SEEDED["random.seed"].format(2), "monitored", 0, tmp_path, python)[0]


PUBLISHED = """
import random
import numpy as np, torch
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed({0})
loader = DataLoader(TensorDataset(torch.arange(1000.0)), batch_size=10, shuffle=True)
print(next(iter(loader))[0].sum().item())
torch.manual_seed(2**40 + 7 + {1}); print(torch.rand(1).item())
torch.manual_seed(-1 + {1}); print(torch.rand(1).item())
random.seed(20231225093000123 + {1}); print(random.random())
random.seed(-5 + {1}); print(random.random())
np.random.seed({0}); print(np.random.RandomState(np.random.randint(2**31 - 1)).rand())
"""


@pytest.mark.parametrize("seed", [0, 3])
def test_offset_is_the_published_program_with_other_seeds_and_nothing_else(seed, tmp_path):
    """Wide and negative seeds.

    Generators seeded with what was drawn, by loaders and by the program.
    """
    shifted, report = run(PUBLISHED.format(1337, 0), "offset", seed, tmp_path)
    written, _ = run(PUBLISHED.format(1337 + seed, seed), "argument", 0, tmp_path)
    assert shifted == written
    assert report["missed"] == []


@pytest.mark.parametrize(
    ("code", "library"),
    [
        ("import numpy as np; np.random.default_rng(3)", "numpy"),
        ("import random; random.Random(3)", "random"),
        ("import numpy as np; np.random.RandomState(3)", "numpy"),
        ("import torch; torch.Generator().manual_seed(3)", "torch"),
    ],
)
def test_generators_of_a_programs_own_count_as_seeding(code, library, tmp_path):
    _, report = run(code, "argument", 0, tmp_path)
    assert list(report["calls"]) == [library]


def test_what_a_loader_seeds_by_itself_does_not(tmp_path):
    code = (
        "import torch; from torch.utils.data import DataLoader, TensorDataset\n"
        "next(iter(DataLoader(TensorDataset(torch.arange(9.)), shuffle=True)))"
    )
    assert run(code, "argument", 0, tmp_path)[1]["calls"] == {}


def test_libraries_that_are_left_unseeded_can_be_seeded(tmp_path, monkeypatch):
    code = "import random, numpy as np; random.seed(1); print(random.random(), np.random.rand())"
    monkeypatch.setenv("SCAFFOLD_SEED_ALSO", "numpy")
    assert run(code, "argument", 5, tmp_path)[0] == run(code, "argument", 5, tmp_path)[0]
