"""Programs that Hydra configures, by reading its files."""

import pytest
from drafts import command_of, draft_of

from scaffold.authoring.drafting.hydra import read_hydra
from scaffold.authoring.drafting.python_files import parse_python

PROGRAM = """\
import hydra
import torch
from hydra.utils import instantiate

import utils

@hydra.main(config_path="conf", config_name="config")
def main(cfg):
    utils.seed_all(cfg.seed)
    model = instantiate(cfg.model)
    loss = model(torch.randn(1)).sum()
    loss.backward()
    acc = 0.5; print(f"test accuracy {acc:.3f}")

main()
"""
CONFIG = """\
defaults:
  - model: small
  - optimizer@training.optimizer: sgd
  - override hydra/launcher: submitit
  - _self_
seed: null
epochs: 20
batch_size: 64
device: ${oc.env:DEVICE}
hydra:
  run: {dir: out}
"""
FILES = {
    "train_dot_py": PROGRAM,
    "utils_dot_py": "import torch\n\ndef seed_all(seed):\n    torch.manual_seed(seed)\n",
    "conf__config_dot_yaml": CONFIG,
    "conf__model__small_dot_yaml": "_target_: nets.small.Net\nwidth: 32\n",
    "conf__model__large_dot_yaml": "defaults:\n  - small\n  - _self_\nwidth: 512\n",
    "conf__optimizer__sgd_dot_yaml": "# @package _group_\nlr: 1e-2\nbatch_size: 8\n",
    "conf__optimizer__adam_dot_yaml": "lr: 0.001\n",
    "nets__small_dot_py": "import einops\n\nclass Net:\n    pass\n",
}


def drafted(words="", **changes):
    readme = f"# Net\n\n## Training\n\n```\npython train.py{words}\n```\n"
    return draft_of(README_dot_md=readme, **{**FILES, **changes})


def values(draft):
    return {
        key.partition(".")[2]: (answer.value, str(answer.citations[0]))
        for key, answer in draft.answers.items()
        if key.startswith("hyperparameters.")
    }


def test_settings_of_all_files_are_hyperparameters_with_their_places():
    draft = drafted()
    assert values(draft) == {
        "width": (32, "conf/model/small.yaml:2"),
        "lr": (0.01, "conf/optimizer/sgd.yaml:2"),
        "training_optimizer_batch_size": (8, "conf/optimizer/sgd.yaml:3"),
        "epochs": (20, "conf/config.yaml:7"),
        "batch_size": (64, "conf/config.yaml:8"),
    }
    run = draft.answers["commands.train.run"].value
    assert "epochs={epochs}" in run and "model.width={width}" in run and "--epochs" not in run
    assert "epochs=2 " in f"{draft.answers['commands.smoke.run'].value} "


def test_a_seed_without_a_value_is_given_by_name():
    draft = drafted()
    assert draft.answers["seeds.how"].value == "argument"
    assert "seed={seed}" in draft.answers["commands.train.run"].value


@pytest.mark.parametrize(
    ("words", "width", "place"),
    [
        (" model=large", 512, "conf/model/large.yaml:4"),
        (" model.width=7", 7, "README.md:6"),
        (" model.width=7 epochs=3 batch_size=2", 7, "README.md:6"),
    ],
)
def test_a_command_selects_and_overrides(words, width, place):
    draft = drafted(words)
    assert values(draft)["width"] == (width, place)
    run = draft.answers["commands.train.run"].value
    assert run.count("width=") == 1 and ("model=large" in run) == ("model=large" in words)


def test_what_a_target_imports_is_a_package_and_all_that_is_declared():
    declared = "torch==2.0\neinops==0.6\nhydra-core==1.3\nhydra-colorlog\npytest\n"
    packages = drafted(requirements_dot_txt=declared).answers["environment.packages"].value
    assert {"einops==0.6", "hydra-colorlog", "torch==2.0"} <= set(packages)
    assert "pytest" not in packages


def test_a_command_without_overrides_is_the_plain_one():
    readme = (
        "# Net\n\n## Training\n\nTrain by default on a GPU:\n\n```\npython train.py model=large\n```\n"
        "\nMixed:\n\n```\npython train.py +trainer.precision=16\n```\n\nAll:\n\n```\npython train.py\n```\n"
    )
    draft = draft_of(README_dot_md=readme, **FILES)
    assert command_of(draft)[0] == "python train.py"


def test_files_that_include_each_other_end():
    circle = {"conf__model__small_dot_yaml": "defaults:\n  - small\n  - _self_\nwidth: 3\n"}
    assert values(drafted(**circle))["width"][0] == 3
    assert "width" not in values(drafted(conf__model__small_dot_yaml=": : :\n  - ["))


def composed(tree, argv=("python", "train.py")):
    files = {path.replace("/", "__").replace(".yaml", "_dot_yaml"): t for path, t in tree.items()}
    draft = draft_of(train_dot_py=PROGRAM, **files)
    module = parse_python(draft.files).modules["train.py"]
    return {name: value for name, value, _ in read_hydra(draft.files, module, argv).settings}


LAYERED = {
    "conf/config.yaml": (
        "defaults:\n  - data: mnist\n  - net/small\n  - optional local: none\n"
        "  - experiment: null\n  - _self_\n"
    ),
    "conf/data/mnist.yaml": "batch_size: 64\n",
    "conf/data/cifar.yaml": "batch_size: 128\n",
    "conf/net/small.yaml": "width: 3\n",
    "conf/experiment/best.yaml": (
        "# @package _global_\ndefaults:\n  - override /data: cifar\n  - _self_\nepochs: 9\n"
    ),
    "conf/other.yaml": "defaults:\n  - data: [mnist, cifar]\n  - _self_\nlayers: 4\n",
}


def test_a_later_override_chooses_what_an_earlier_entry_adds():
    assert composed(LAYERED) == {"data.batch_size": 64, "net.width": 3}
    best = composed(LAYERED, ("python", "train.py", "experiment=best"))
    assert best == {"data.batch_size": 128, "net.width": 3, "epochs": 9}
    added = composed(LAYERED, ("python", "train.py", "+experiment=best"))
    assert added["epochs"] == 9


def test_a_group_whose_name_begins_as_another_s_is_its_own():
    tree = {
        "conf/config.yaml": "defaults:\n  - data: one\n",
        "conf/data/one.yaml": "# @package _global_\ndefaults:\n  - /database: two\nx: 1\n",
        "conf/database/two.yaml": "y: 2\n",
    }
    assert composed(tree) == {"database.y": 2, "x": 1}


def test_another_configuration_is_read_where_the_command_names_it():
    for words in (("--config-name=other",), ("--config-name", "other"), ("-cn", "other")):
        assert composed(LAYERED, ("python", "train.py", *words)) == {
            "data.batch_size": 128,
            "layers": 4,
        }


def test_configurations_that_include_each_other_end_at_once():
    tree = {f"conf/{name}.yaml": "defaults: [a, b, a, b]\n" for name in "ab"}
    assert composed({**tree, "conf/config.yaml": "defaults: [a, a, b]\nx: 1\n"}) == {"x": 1}
