"""What is read of programs that are started, configured and fed in the many ways that there are."""

import pytest
from drafts import TRAIN, command_of, draft_of, fixed

from scaffold.records.draft import FieldStatus

# --- commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start", ["./run.sh", "chmod +x run.sh && ./run.sh", "bash run.sh", "sh ./run.sh train"]
)
def test_a_script_that_the_readme_starts_comes_before_others(start):
    draft = draft_of(
        README_dot_md=f"# T\n\n```\ncd tiny\n{start}\n```\n",
        a_dot_sh="python train.py --lr 9\n",
        run_dot_sh="python train.py --lr 0.3\n",
        train_dot_py=TRAIN,
    )
    assert command_of(draft) == ("python train.py --lr 0.3", "run.sh:1")


def test_of_a_loop_the_first_round_is_read_and_what_a_script_is_given_is_left_out():
    script = 'for m in small large\ndo\n    python train.py --model=$m "$@" |& tee log_$m\ndone\n'
    draft = draft_of(README_dot_md="# T\n\n`./run.sh`\n", run_dot_sh=script, train_dot_py=TRAIN)
    assert command_of(draft) == ("python train.py --model=small", "run.sh:3")
    inline = "for m in small large; do python train.py --model $m; done\n"
    draft = draft_of(README_dot_md="# T\n", run_dot_sh=inline, train_dot_py=TRAIN)
    assert command_of(draft)[0] == "python train.py --model small"


def test_a_program_that_a_sentence_says_to_run_is_a_command():
    prose = "Finally, `train.py` puts it together and may be used to execute a full run."
    draft = draft_of(README_dot_md=f"# T\n\n{prose}\n", train_dot_py=TRAIN, b_dot_py=TRAIN)
    assert command_of(draft) == ("python train.py", "README.md:3")
    silent = "The options are defined in `train.py`."
    draft = draft_of(README_dot_md=f"# T\n\n{silent}\n", train_dot_py=TRAIN, b_dot_py=TRAIN)
    assert draft.answers["commands.train.run"].status is FieldStatus.UNKNOWN


def test_a_module_that_only_defines_is_no_command():
    model = "import torch\n\n\ndef step(loss):\n    loss.backward()\n"
    prose = "`model.py` and `train.py` train the network."
    draft = draft_of(README_dot_md=f"# T\n\n{prose}\n", model_dot_py=model, train_dot_py=TRAIN)
    assert command_of(draft)[0] == "python train.py"


@pytest.mark.parametrize("readme", ["# T\n", "# T\n\n```\npython train.py --model <MODEL>\n```\n"])
def test_the_only_program_is_asked_for_and_the_rest_is_read_for_it(readme):
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    command = draft.answers["commands.train.run"]
    assert command.status is FieldStatus.UNKNOWN
    assert str(command.candidates[0].value).startswith("python train.py")
    assert "commands.smoke.run" not in draft.answers
    assert draft.answers["hyperparameters.lr"].value == 0.1
    assert draft.answers["resources.device"].value == "cpu"


def test_of_two_programs_without_a_command_nothing_is_read():
    draft = draft_of(README_dot_md="# T\n", train_dot_py=TRAIN, train2_dot_py=TRAIN)
    assert len(draft.answers["commands.train.run"].candidates) == 2
    assert "hyperparameters.lr" not in draft.answers


def test_a_value_is_cited_where_it_stands_in_a_command_of_several_lines_and_in_a_call():
    readme = "# T\n\n```\npython train.py \\\n    --model big \\\n    --lr 0.2\n```\n"
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    assert str(draft.answers["hyperparameters.lr"].citations[0]) == "README.md:6"
    draft = draft_of(README_dot_md="# T\n\n`python train.py`\n", train_dot_py=TRAIN)
    assert str(draft.answers["hyperparameters.lr"].citations[0]) == "train.py:10"
    assert draft.answers["hyperparameters.model"].value == "small"


# --- values that no option changes --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "conf__a_dot_yaml",
            "optimizer:\n  lr: 1e-4\n  type: Adam\ntrainer:\n  epochs: 7\n",
            {
                "optimizer.lr": (1e-4, "conf/a.yaml:2"),
                "optimizer.type": ("Adam", "conf/a.yaml:3"),
                "trainer.epochs": (7, "conf/a.yaml:5"),
            },
        ),
        (
            "conf__a_dot_json",
            '{\n "a": {"x": 1},\n "trainer": {\n  "epochs": 7, "save_dir": "o"\n }\n}\n',
            {"trainer.epochs": (7, "conf/a.json:4")},
        ),
    ],
)
def test_the_configuration_that_a_command_names_is_read(name, text, expected):
    path = name.replace("__", "/").replace("_dot_", ".")
    draft = draft_of(
        README_dot_md=f"# T\n\n`python train.py -c {path}`\n", train_dot_py=TRAIN, **{name: text}
    )
    assert expected.items() <= fixed(draft).items()
    assert "trainer.save_dir" not in draft.fixed
    assert "datasets.0" not in draft.answers
    assert draft.answers["commands.train.run"].value.startswith(f"python train.py -c {path}")


def test_what_optimizers_schedules_and_loaders_are_given_is_read():
    program = TRAIN + (
        "optimizer = torch.optim.SGD(model.parameters(), args.lr, momentum=0.9,\n"
        "    weight_decay=5e-4)\n"
        "schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [100, 150])\n"
        "loader = torch.utils.data.DataLoader([], batch_size=32, shuffle=True)\n"
        "other = torch.optim.SGD(model.parameters(), 1.0, momentum=0.1)\n"
    )
    values = fixed(draft_of(README_dot_md="# T\n\n`python train.py`\n", train_dot_py=program))
    assert values["momentum"] == (0.9, "train.py:17")
    assert values["weight_decay"] == (5e-4, "train.py:18")
    assert values["milestones"] == ([100, 150], "train.py:19")
    assert values["batch_size"] == (32, "train.py:20")
    assert "shuffle" not in values


def test_constants_of_settings_and_defaults_of_functions_are_read():
    program = (
        TRAIN + "from conf import *\nhidden = [8, 8]\n\n\ndef train(n_epochs=30, path=3):\n    0\n"
    )
    values = fixed(
        draft_of(
            README_dot_md="# T\n\n`python train.py`\n",
            train_dot_py=program,
            conf_dot_py="drop_prob = 0.1\nuse_norm = True\nname = 'x'\n",
        )
    )
    assert values["drop_prob"] == (0.1, "conf.py:1")
    assert values["use_norm"] == (True, "conf.py:2")
    assert values["hidden"] == ([8, 8], "train.py:18")
    assert values["n_epochs"] == (30, "train.py:21")
    assert not {"name", "path"} & set(values)


# --- around the program -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "device"),
    [
        ("model.cuda()", "cuda"),
        ("if torch.cuda.is_available():\n    model.cuda()", "cpu"),
        ("model = model.cuda() if use_cuda else model", "cpu"),
        ("use_cuda = torch.cuda.is_available()\nmodel.cuda()", "cuda"),
        ("device = 'cuda' if torch.cuda.is_available() else 'cpu'\nmodel.to(device)", "cpu"),
    ],
)
def test_a_gpu_is_needed_where_no_condition_guards_its_use(line, device):
    draft = draft_of(README_dot_md="# T\n\n`python train.py`\n", train_dot_py=f"{TRAIN}{line}\n")
    assert draft.answers["resources.device"].value == device


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("- Python 3", "==3.*"),
        ("* Python version 3.6", "==3.6.*"),
        ("Code is written in Python (2.7) and requires Theano.", "==2.7.*"),
        ("* Python==3.6.6", "==3.6.*"),
        ("Python 3.7 or later", ">=3.7"),
        ("Python 3rd party packages", None),
    ],
)
def test_python_as_readmes_state_it(line, expected):
    draft = draft_of(README_dot_md=f"# T\n\n{line}\n", train_dot_py=TRAIN)
    assert draft.answers["environment.python"].value == expected


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (
            "import torchvision.datasets as datasets\ndatasets.__dict__[args.model.upper()]('d')",
            "mnist",
        ),
        ("import torchvision\ngetattr(torchvision.datasets, args.model)('d')", "mnist"),
        ("from torchtext import datasets\ndatasets.IMDB.splits(1)", "imdb"),
        (
            "from torchtext.legacy.datasets.translation import Multi30k\nMulti30k.splits(1)",
            "multi30k",
        ),
        ("from sklearn.datasets import load_iris\nload_iris()", "iris"),
    ],
)
def test_datasets_of_libraries_however_they_are_named(code, name):
    program = TRAIN.replace('"small"', '"mnist"') + code + "\n"
    draft = draft_of(README_dot_md="# T\n\n`python train.py`\n", train_dot_py=program)
    assert draft.answers["datasets.0"].value["name"] == name


def test_files_beside_the_program_that_a_pattern_names_are_its_data():
    program = TRAIN.replace('"small"', '"cora"') + 'open("data/ind.{}.x".format(args.model))\n'
    draft = draft_of(
        ("gcn/data/ind.citeseer.x", "gcn/data/ind.cora.x"),
        README_dot_md="# T\n\n```\ncd gcn\npython train.py\n```\n",
        gcn__train_dot_py=program,
    )
    assert draft.answers["datasets.0"].value["inside"] == "gcn/data/ind.cora.x"


def test_an_agents_environment_is_its_data():
    program = "import gym\n" + TRAIN.replace("--model", "--env-name")
    readme = '# T\n\n```\npython train.py --env-name "CartPole-v1"\n```\n'
    draft = draft_of(README_dot_md=readme, train_dot_py=program)
    assert draft.answers["datasets.0"].value["generated"] == "CartPole-v1"


# --- published numbers --------------------------------------------------------------------------


def claims_of(readme):
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    return draft.answers["claims.0"]


def test_a_name_with_digits_is_no_number_and_a_column_without_a_metric_has_none():
    table = "| Model | Dataset | BLEU |\n|---|---|---|\n| Ours | Multi30K EN-DE | 26.4 |\n"
    assert claims_of(f"# T\n\n* loss = 2.85\n\n{table}").value["value"] == 26.4


def test_bold_marks_the_best_of_its_own_table_only():
    one = "| Net | accuracy |\n|---|---|\n| a | 90.1 |\n| b | {} |\n"
    readme = "# T\n\n## Results\n\n" + one.format("**91.2**") + "\n## Results of b\n\n"
    assert claims_of(readme + one.format("**95.5**")).value["value"] == 91.2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("| a | 52.1<sup>3</sup> |", 52.1),
        ("| a | 52.1[^2] |", 52.1),
        ("| a | **52.1** ± 0.3 |", 52.1),
    ],
)
def test_marks_of_footnotes_are_no_digits(line, expected):
    table = f"| net | accuracy (%) |\n|---|---|\n{line}\n"
    assert claims_of(f"# T\n\n## Results\n\n{table}").value["value"] == expected


@pytest.mark.parametrize(
    "sentence",
    [
        "You get a similar test accuracy (± 2%) with fewer epochs.",
        "The [test accuracy](https://example.org/S%C3%B8r%80%9371.5) is explained there.",
        "It can give 97.47% oracle accuracy.",
    ],
)
def test_spreads_links_and_bounds_are_no_results(sentence):
    assert (
        "claims.0"
        not in draft_of(
            README_dot_md=f"# T\n\n## Results\n\n{sentence}\n", train_dot_py=TRAIN
        ).answers
    )


def test_data_of_another_name_than_the_command_says_are_not_its_data():
    program = TRAIN.replace("--model", "--dataset").replace("small", "cora")
    program += 'URL = "https://example.org/ppi.zip"\n'
    readme = "# T\n\n`python train.py`\n"
    draft = draft_of(README_dot_md=readme, train_dot_py=program)
    assert "datasets.0" not in draft.answers
    assert draft.answers["datasets"].candidates[0].value["name"] == "ppi"
    draft = draft_of(("data/cora/x.csv",), README_dot_md=readme, train_dot_py=program)
    assert draft.answers["datasets.0"].value["inside"] == "data/cora"


def test_data_of_a_class_that_has_the_name_are_its_data():
    program = TRAIN.replace("--model", "--dataset").replace("small", "MR")
    program += 'class NAMEDataset:\n    url = "https://example.org/polarity.tar.gz"\n'
    for name, is_it in (("MR", True), ("SST", False)):
        draft = draft_of(
            README_dot_md="# T\n\n`python train.py`\n", train_dot_py=program.replace("NAME", name)
        )
        assert ("datasets.0" in draft.answers) == is_it, name


def test_lines_of_a_configuration_are_read():
    draft = draft_of(
        README_dot_md="# T\n\n`python train.py --config demo.config`\n",
        train_dot_py=TRAIN,
        demo_dot_config="# network\nhidden_dim=200\nl2 = 1e-8  # small\nmodel_dir=sample/x\n",
    )
    values = fixed(draft)
    assert values["hidden_dim"] == (200, "demo.config:2")
    assert values["l2"] == (1e-8, "demo.config:3")
    assert "model_dir" not in values


def test_a_folder_that_is_left_to_the_reader_is_the_root():
    draft = draft_of(
        README_dot_md="# T\n\n```\ncd <path-to-T>\ncd src\npython train.py --lr 0.5\n```\n",
        src__train_dot_py=TRAIN,
    )
    assert command_of(draft)[0] == "python train.py --lr 0.5"
    assert draft.answers["commands.train.directory"].value == "src"


def test_a_script_s_arguments_are_those_that_the_readme_gives_it():
    draft = draft_of(
        README_dot_md="# Net\n\n## Training\n\n```\nbash train.sh 7 big\n```\n",
        train_dot_sh="NAME=$1\nCUDA_VISIBLE_DEVICES=4 python train.py --lr $NAME --model ${2}\n",
        train_dot_py=TRAIN,
    )
    assert command_of(draft)[0] == "python train.py --lr 7 --model big"


def test_what_evaluates_after_training_is_a_step_of_its_own():
    train = TRAIN.replace("test accuracy", "validation accuracy").replace(", BLEU {acc:.2f}", "")
    evaluate = (
        'import torch\nfrom train import model\nacc = 0.5\nprint(f"test accuracy {acc:.3f}")\n'
    )
    readme = (
        "# Net\n\nTest accuracy: 91.0\n\n## Training\n\n```\npython train.py\n```\n\n"
        "## Testing\n\n```\npython test.py --load best.pth\n```\n"
    )
    draft = draft_of(README_dot_md=readme, train_dot_py=train, test_dot_py=evaluate)
    assert command_of(draft)[0] == "python train.py"
    assert draft.answers["commands.evaluate.run"].value == "python test.py --load best.pth"
    assert draft.answers["metrics.0"].value["name"] == "test_accuracy"
    written = evaluate.split("print")[0] + (
        'import json\njson.dump({"test_accuracy": acc}, open("result.json", "w"))\n'
    )
    draft = draft_of(README_dot_md=readme, train_dot_py=train, test_dot_py=written)
    assert draft.answers["commands.evaluate.run"].value == "python test.py --load best.pth"
    both = draft_of(README_dot_md=readme, train_dot_py=TRAIN, test_dot_py=evaluate)
    assert "commands.evaluate.run" not in both.answers  # training says it itself


def test_what_goes_on_from_weights_is_not_the_training_that_is_published():
    readme = (
        "# Net\n\n## Results\n\n```\npython train.py --load --lr 0.5\n```\n\n"
        "Or from the start:\n\n```\npython train.py --lr 0.7\n```\n"
    )
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    assert command_of(draft)[0] == "python train.py --lr 0.7"


@pytest.mark.parametrize(
    ("line", "device"),
    [
        ('parser.add_argument("--gpu", default="0")', "cpu"),
        ('parser.add_argument("--gpu", type=int, default=None)', "cuda"),
    ],
)
def test_a_number_of_a_gpu_says_which_and_not_whether(line, device):
    program = TRAIN.replace("args =", f"{line}\nuse = torch.cuda.is_available()\nargs =")
    readme = "# Net\n\n## Training\n\n```\npython train.py --gpu 0\n```\n"
    draft = draft_of(README_dot_md=readme, train_dot_py=program)
    assert draft.answers["resources.device"].value == device


def test_who_looks_for_a_gpu_only_to_seed_it_still_takes_the_device_it_is_told():
    program = TRAIN.replace(
        "args =",
        'parser.add_argument("--device", default="cuda")\n'
        "if torch.cuda.is_available():\n    torch.cuda.manual_seed_all(1)\nargs =",
    )
    readme = "# Net\n\n## Training\n\n```\npython train.py\n```\n"
    draft = draft_of(README_dot_md=readme, train_dot_py=program)
    assert draft.answers["resources.device"].value == "cuda"


def test_declared_packages_that_a_function_imports_are_installed():
    program = TRAIN + "\ndef draw():\n    import seaborn\n    import undeclared\n"
    draft = draft_of(
        README_dot_md="# Net\n\n```\npython train.py\n```\n",
        train_dot_py=program,
        setup_dot_py='from setuptools import setup\nneeded = ["torch", "seaborn>=0.1"]\n'
        "setup(install_requires=needed)\n",
    )
    packages = draft.answers["environment.packages"].value
    assert "seaborn>=0.1" in packages and "undeclared" not in packages
