"""Drafts of programs that OmegaConf configures by `name=value` words."""

from drafts import TRAIN, draft_of

PROGRAM = (
    "from pathlib import Path\nfrom omegaconf import OmegaConf\n"
    "base = OmegaConf.load(Path('cfgs') / 'default.yaml')\n"
    "{loads}\ncfg = OmegaConf.merge(base, OmegaConf.from_cli())\n"
)
DEFAULT = "task: walk\nlr: 1e-3\nbatch_size: 512\nsteps: 500/${repeat}\nrepeat: ???\nseed: 1\n"


def draft_with(loads="", **files):
    program = TRAIN.split("args = ")[1].split("\n", 1)[1]
    return draft_of(
        README_dot_md="# Net\n\n```\npython train.py task=run\n```\n",
        train_dot_py=PROGRAM.format(loads=loads) + "import torch\n" + program,
        cfgs__default_dot_yaml=DEFAULT,
        **files,
    )


def test_what_is_loaded_and_overridden_is_an_option_of_the_command():
    answers = draft_with().answers
    assert answers["commands.train.run"].value == (
        "python train.py task={task} lr={lr} batch_size={batch_size}"
    )
    values = {key: answers[f"hyperparameters.{key}"].value for key in ("task", "lr", "batch_size")}
    assert values == {"task": "run", "lr": 0.001, "batch_size": 512}
    assert str(answers["hyperparameters.lr"].citations[0]) == "cfgs/default.yaml:2"


def test_what_another_file_may_have_set_is_left_out():
    loads = "base.merge_with(OmegaConf.load(Path('cfgs') / f'{base.task}.yaml'))"
    answers = draft_with(loads, cfgs__walk_dot_yaml="batch_size: 2048\n").answers
    assert "hyperparameters.batch_size" not in answers
    assert answers["hyperparameters.lr"].value == 0.001
