"""A random stream for each kind of draw.

What one kind draws more leaves the others as they were.
"""

import json
import os
import textwrap
from pathlib import Path

import pytest
from forked_programs import run_program

import scaffold.running.shim as shim

SHIM = shim.__path__[0]


def run(
    program: str,
    *,
    streams: bool = True,
    how: str = "argument",
    seed: int = 0,
    report: Path | None = None,
):
    env = {**os.environ, "PYTHONPATH": SHIM, "SCAFFOLD_SEED_HOW": how, "SCAFFOLD_SEED": str(seed)}
    env |= {"SCAFFOLD_STREAMS": "1"} if streams else {}
    env |= {"SCAFFOLD_SEED_REPORT": str(report)} if report else {}
    done = run_program(["-c", textwrap.dedent(program)], cwd=Path.cwd(), env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LIBRARIES = {
    "random": "import json, random\nrandom.seed(3)\n{more}\nprint(json.dumps(random.sample(range(99), 9)))",
    "numpy": "import json, numpy\nnumpy.random.seed(3)\n{more}\nprint(json.dumps(numpy.random.choice(99, 9).tolist()))",
    "torch": "import json, torch\ntorch.manual_seed(3)\n{more}\nprint(json.dumps(torch.randperm(9).tolist()))",
}
MORE = {
    "random": "random.random()",
    "numpy": "numpy.random.normal()",
    "torch": "torch.nn.Linear(3, 4)",
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_other_draws_leave_an_order_as_it_was(library):
    plain, more = (LIBRARIES[library].format(more=text) for text in ("", MORE[library]))
    assert run(plain) == run(more)
    assert run(plain, streams=False) != run(more, streams=False)
    assert run(plain) == run(plain)
    assert run(plain) != run(plain.replace("(3)", "(4)", 1))


SEED = {"random": "random.seed", "numpy": "numpy.random.seed", "torch": "torch.manual_seed"}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_second_seeding_starts_all_streams_again(library):
    once = LIBRARIES[library].format(more="")
    drawn = once.splitlines()[-1].replace("print", "").strip()
    twice = once.replace("\n\n", f"\n{drawn}; {SEED[library]}(3)\n")
    assert drawn in twice and run(once) == run(twice)


def test_layers_of_other_shapes_keep_their_first_weights():
    program = """
        import json, torch
        torch.manual_seed(0)
        layers = [torch.nn.Linear(4, width) for width in {widths}]
        print(json.dumps(layers[-1].weight.tolist()))
    """
    assert run(program.format(widths=[3])) == run(program.format(widths=[5, 3]))
    assert run(program.format(widths=[3])) != run(program.format(widths=[3, 3]))


def test_dropout_masks_do_not_depend_on_the_order():
    program = """
        import json, torch
        torch.manual_seed(0)
        {more}
        print(json.dumps(torch.nn.functional.dropout(torch.ones(2, 8), 0.5).tolist()))
    """
    assert run(program.format(more="")) == run(
        program.format(more="torch.randperm(5); torch.rand(3)")
    )


def test_checkpointed_activations_draw_the_same_masks_again():
    """Recomputed in the backward pass, dropout must be that of the forward pass.

    Or gradients are wrong.
    """
    program = """
        import json, torch
        from torch.utils.checkpoint import checkpoint
        torch.manual_seed(0)
        x = torch.ones(1000, requires_grad=True)
        out = checkpoint(lambda t: torch.nn.functional.dropout(t, 0.5), x, use_reentrant={reentrant})
        torch.nn.functional.dropout(torch.ones(1000), 0.5)
        out.sum().backward()
        print(json.dumps(bool(torch.equal(x.grad, out.detach()))))
    """
    for reentrant in (True, False):
        assert run(program.format(reentrant=reentrant)) is True


def test_own_generators_and_restored_states_are_left_alone():
    program = """
        import json, random, numpy as np, torch
        g = torch.Generator(); g.manual_seed(1)
        random.seed(1); state = random.getstate(); random.setstate(state)
        rs = np.random.RandomState(1)
        print(json.dumps([torch.randperm(9, generator=g).tolist(), random.random(), rs.permutation(9).tolist()]))
    """
    assert run(program) == run(program, streams=False)


def test_laws_stay_what_they_were():
    program = """
        import json, random, numpy as np, torch
        random.seed(0); np.random.seed(0); torch.manual_seed(0)
        print(json.dumps([
            torch.randn(100000).std().item(), torch.empty(100000).uniform_(0, 2).mean().item(),
            np.random.normal(1, 2, 100000).mean(), np.random.rand(2, 3).shape == (2, 3),
            sum(random.random() for _ in range(100000)) / 100000,
            torch.nn.functional.dropout(torch.ones(100000), 0.25).mean().item(),
        ]))
    """
    normal, uniform, numpy_normal, has_shape, uniform_random, dropout = run(program)
    assert normal == pytest.approx(1, abs=0.02)
    assert uniform == pytest.approx(1, abs=0.02)
    assert numpy_normal == pytest.approx(1, abs=0.04)
    assert has_shape is True
    assert uniform_random == pytest.approx(0.5, abs=0.01)
    assert dropout == pytest.approx(1, abs=0.02)


def test_a_program_without_seeds_stays_without():
    program = "import json, random\nprint(json.dumps(random.random()))"
    assert run(program) != run(program)
    assert run(program, how="inject", seed=5) == run(program, how="inject", seed=5)


def test_streams_are_reported(tmp_path):
    run("import random\nrandom.seed(1); random.random(); print(1)", report=tmp_path)
    reports = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert reports[0]["streams"] == ["random.random"]


def test_functions_can_be_pickled():
    assert run(
        "import json, pickle, torch\nprint(json.dumps(pickle.loads(pickle.dumps(torch.randn)) is torch.randn))"
    )


def test_torchscript_compiles(tmp_path):
    (tmp_path / "model.py").write_text(
        "import torch\nclass Model(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.dropout = torch.nn.Dropout(0.5)\n    def forward(self, x):\n"
        "        return self.dropout(x) + torch.randn(4)\n"
    )
    program = f"""
        import json, sys, warnings
        warnings.simplefilter("ignore")
        sys.path.insert(0, {str(tmp_path)!r})
        import torch
        from model import Model
        print(json.dumps(list(torch.jit.script(Model())(torch.ones(4)).shape)))
    """
    assert run(program) == [4]


@pytest.mark.parametrize("library", LIBRARIES)
def test_seeding_calls_are_shifted_before_the_streams_begin(library, tmp_path):
    program = LIBRARIES[library].format(more="")
    shifted = run(program, how="offset", seed=2, report=tmp_path)
    assert shifted == run(program.replace("(3)", "(5)", 1)) != run(program, how="offset", seed=1)
    (report,) = tmp_path.glob("*.json")
    assert library in json.loads(report.read_text())["calls"]
