"""A faulty copy of the digits reference is not called REPRODUCED.

Though its accuracy often looks right.
"""

from pathlib import Path

import pytest
from helpers import copy_recipe

from scaffold.recipes.catalogue import data_dir

FAULTS = {
    "learning rate x10": ({}, {"hyperparameters": {"learning_rate": 0.1}}),
    "normalization dropped": (
        {"train.py": ("self.normalisation(self.convolution(x))", "self.convolution(x)")},
        {},
    ),
    "a tenth of the labels shuffled": (
        {
            "train.py": (
                "    model = DigitsCNN(",
                (
                    "    tenth = torch.randperm(len(train_labels))[:134]\n"
                    "    train_labels[tenth] = train_labels[tenth.roll(1)]\n"
                    "    model = DigitsCNN("
                ),
            )
        },
        {},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_not_reproduced(fault, cli, tmp_path):
    edit, changes = FAULTS[fault]
    recipe = copy_recipe(data_dir("recipes") / "digits-cnn", tmp_path / "recipe", edit, **changes)
    cli("new", "project", "--from", recipe)
    result = cli.any_status("verify", "--json", cwd=Path.cwd() / "project")
    verdict = result.json
    assert verdict["verdict"] in ("NOT_REPRODUCED", "INCONCLUSIVE"), verdict
    assert result.code in (1, 3)
    assert any(
        finding["verdict"] in ("UNEXPECTED", "NOT_REPRODUCED") for finding in verdict["findings"]
    )
    assert verdict["deviations"], (
        "that the reference or its program is not the calibrated one is said as well"
    )


def test_smoke_command_of_the_default_recipe_runs(cli, tmp_path):
    cli("new", "project", "--from", "digits-cnn")
    run = cli("run", "--smoke", "--json", cwd=Path.cwd() / "project").json["runs"][0]
    assert run["smoke"] and run["steps"][-1]["exit_status"] == 0
