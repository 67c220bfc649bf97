"""A draft is read from texts: each value with its place, nothing guessed, nothing run."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.authoring.drafting.draft import make_draft
from scaffold.authoring.drafting.folder import wrong_citations
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.claim import printed_decimals
from scaffold.records.draft import FieldStatus, Sources

README = """\
# Tiny classifier

Text classification of reviews with a small network.

## Requirements
- Python >= 3.8

## Results

| model | dataset | test accuracy |
|---|---|---|
| ours | MR | 76.5 % |
| Kim (paper) | MR | 76.1 % |

## Usage
```bash
$ pip install -r requirements.txt
$ python train.py --dataset MR --lr 0.01 \\
    --epochs 20
$ python train.py --test
```
"""
TRAIN = """\
import argparse
import random

import numpy as np
import torch

from model import Net

parser = argparse.ArgumentParser()
parser.add_argument("--dataset", default="MR", choices=["MR", "SST"])
parser.add_argument("--lr", type=float, default=0.1, help="learning rate")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--batch-size", type=int, default=64, help="size (default: 32)")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--log-interval", type=int, default=5)
args = parser.parse_args()

torch.manual_seed(args.seed)
np.random.seed(args.seed)
data = open("data/reviews.csv").read()
order = np.random.permutation(10)
random.shuffle(list(order))
for epoch in range(args.epochs):
    loss = 0.0
    print("epoch %d, train loss %.4f" % (epoch, loss))
    acc = 0.5
    print(f"Test accuracy: {100 * acc:.2f}%")
"""
LICENCE = """\
MIT License

Copyright (c) 2020 Ada Lovelace

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
FILES = {
    "README.md": README,
    "train.py": TRAIN,
    "model.py": "import torch\n\n\nclass Net(torch.nn.Module):\n    pass\n",
    "requirements.txt": "torch>=1.9\nnumpy==1.21.0  # pinned\n",
    "LICENSE": LICENCE,
}


def source(files=FILES, more_paths=("data/reviews.csv",)):
    return SourceFiles(
        url="https://example.org/ada/tiny",
        revision="1" * 40,
        tree="2" * 40,
        committed="2020-01-01",
        texts=files,
        paths=frozenset([*files, *more_paths]),
    )


def drafted(**changes):
    """Answers of a draft; a file is changed by its name with _ for the dot, or left out by None."""
    files = {
        **FILES,
        **{name.replace("__", "/").replace("_", "."): text for name, text in changes.items()},
    }
    return make_draft(source({path: text for path, text in files.items() if text is not None}))


def value(draft, key):
    answer = draft.answers[key]
    assert answer.status is FieldStatus.VALUE, answer
    return answer.value


def place(draft, key):
    return str(draft.answers[key].citations[0])


def test_each_field_is_answered_with_its_place():
    draft = drafted()
    assert (value(draft, "title"), place(draft, "title")) == ("Tiny classifier", "README.md:1")
    assert (value(draft, "task"), place(draft, "task")) == ("text-classification", "README.md:3")
    assert (value(draft, "reference.license"), place(draft, "reference.license")) == (
        "MIT",
        "LICENSE:1",
    )
    assert (value(draft, "environment.python"), place(draft, "environment.python")) == (
        ">=3.8",
        "README.md:6",
    )
    assert value(draft, "environment.packages") == ["numpy==1.21.0", "torch>=1.9"]
    assert value(draft, "datasets.0") == {
        "name": "reviews",
        "license": "none stated",
        "inside": "data/reviews.csv",
    }
    assert place(draft, "datasets.0") == "train.py:20"


def test_hyperparameters_belong_to_one_command_then_to_its_program():
    draft = drafted()
    assert value(draft, "commands.train.run") == (
        "python train.py --dataset MR --lr {lr} --epochs {epochs} --batch-size {batch_size} --seed {seed}"
    )
    assert value(draft, "commands.smoke.run").count("--epochs 2") == 1
    assert place(draft, "commands.train.run") == "README.md:18"
    assert (value(draft, "hyperparameters.lr"), place(draft, "hyperparameters.lr")) == (
        0.01,
        "README.md:18",
    )
    assert value(draft, "hyperparameters.epochs") == 20
    assert "hyperparameters.log_interval" not in draft.answers


def test_a_default_that_its_help_denies_is_contradictory_and_keeps_both():
    answer = drafted().answers["hyperparameters.batch_size"]
    assert answer.status is FieldStatus.CONTRADICTORY
    assert [candidate.value for candidate in answer.candidates] == [64, 32]


def test_the_own_number_is_claimed_and_the_paper_s_is_not():
    draft = drafted()
    claim = value(draft, "claims.0")
    assert (claim["value"], claim["metric"], claim["decimals"]) == (76.5, "test_accuracy", 1)
    assert place(draft, "claims.0") == "README.md:12"
    assert 76.1 not in [candidate.value for candidate in draft.answers["claims.0"].candidates]


def test_printed_lines_become_patterns_that_read_them_back():
    import re

    draft = drafted()
    metric = value(draft, "metrics.0")
    assert (metric["name"], metric["unit"], metric["direction"]) == (
        "test_accuracy",
        "percent",
        "higher",
    )
    assert re.search(metric["read"]["stdout"], "Test accuracy: 76.51%")["value"] == "76.51"
    loss = value(draft, "metrics.1")
    match = re.search(loss["read"]["stdout"], "epoch 12, train loss 0.1234")
    assert (match["step"], match["value"], loss["monitored"]) == ("12", "0.1234", True)


def test_a_seed_option_that_is_used_is_the_way_in_and_what_is_never_seeded_is_named():
    draft = drafted()
    assert value(draft, "seeds.how") == "argument"
    assert value(draft, "seeds.unseeded") == ["random"]


@pytest.mark.parametrize(
    ("lines", "how"),
    [
        ("torch.manual_seed(0)\nnp.random.seed(0)\nx = np.random.rand(3)", "offset"),
        ("x = np.random.rand(3)", "inject"),
    ],
)
def test_how_else_a_seed_gets_in(lines, how):
    text = TRAIN.replace("torch.manual_seed(args.seed)\nnp.random.seed(args.seed)", lines)
    text = text.replace('parser.add_argument("--seed", type=int, default=1)\n', "")
    assert value(drafted(train_py=text), "seeds.how") == how


def test_a_seed_that_is_parsed_and_never_used_is_said():
    text = TRAIN.replace("torch.manual_seed(args.seed)\nnp.random.seed(args.seed)\n", "")
    draft = drafted(train_py=text)
    assert value(draft, "seeds.how") == "inject"
    assert any("--seed is parsed, and nothing reads it" in warning for warning in draft.warnings)


def test_an_option_that_the_program_sets_itself_is_no_slot():
    draft = drafted(
        train_py=TRAIN.replace("torch.manual_seed", "args.batch_size = 8\ntorch.manual_seed", 1)
    )
    assert "hyperparameters.batch_size" not in draft.answers
    assert any("the program sets batch_size itself" in warning for warning in draft.warnings)


def test_nothing_published_is_none_and_no_command_is_unknown():
    draft = drafted(README_md="# Tiny\n\nA network.\n")
    assert draft.answers["claims"].status is FieldStatus.NONE
    command = draft.answers["commands.train.run"]
    assert command.status is FieldStatus.UNKNOWN and command.candidates == ()
    trains = TRAIN + "\nloss.backward()\n"
    command = drafted(README_md="# Tiny\n", train_py=trains).answers["commands.train.run"]
    assert [candidate.value for candidate in command.candidates] == ["python train.py"]


def test_a_source_of_several_projects_asks_which():
    names = ("cnn", "gan", "rnn", "vae")
    files = {f"{name}/main.py": TRAIN for name in names}
    files |= {f"{name}/README.md": "```\npython main.py\n```\n" for name in names}
    draft = make_draft(source({"README.md": "# Examples\n", **files}))
    command = draft.answers["commands.train.run"]
    assert command.status is FieldStatus.UNKNOWN
    assert [candidate.value for candidate in command.candidates] == [f"{name}/" for name in names]
    inside = make_draft(source({"README.md": "# Examples\n", **files}).within("gan"))
    assert value(inside, "commands.train.directory") == "gan"


def test_only_notebooks_need_a_driver():
    cells = [{"cell_type": "code", "source": ["!pip install x\n", "model.fit(x, y)\n"]}]
    draft = make_draft(source({"README.md": "# N\n", "run.ipynb": json.dumps({"cells": cells})}))
    assert "only notebooks (run.ipynb)" in draft.answers["commands.train.run"].note


def test_python_2_is_named_and_stops_nothing():
    draft = drafted(old_py="print 'hello'\n")
    assert "old.py: only Python 2 reads it" in draft.warnings
    assert value(draft, "title") == "Tiny classifier"


def test_no_licence_is_none_and_a_changed_one_is_unknown():
    assert drafted(LICENSE=None).answers["reference.license"].status is FieldStatus.NONE
    odd = drafted(LICENSE="You may look at this on Tuesdays.\n").answers["reference.license"]
    assert odd.status is FieldStatus.UNKNOWN


@pytest.mark.parametrize(
    ("file", "text", "packages"),
    [
        (
            "requirements.txt",
            "-r more.txt\ntorch == 2.0 ; python_version>'3'\n",
            ["numpy", "torch==2.0"],
        ),
        (
            "environment.yml",
            "dependencies:\n  - pytorch=1.8\n  - numpy>=1.19\n",
            ["numpy>=1.19", "torch==1.8.*"],
        ),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\npython="^3.8"\ntorch="^1.13"\n',
            ["numpy", "torch>=1.13,<2"],
        ),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\nnumpy="~1"\ntorch="^0.0.3"\n',
            ["numpy>=1,<2", "torch>=0.0.3,<0.0.4"],
        ),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\nnumpy=">=1.2 <2"\ntorch="1.2 || 1.4"\n',
            ["numpy>=1.2,<2", "torch"],
        ),
        (
            "setup.py",
            "from setuptools import setup\nsetup(install_requires=['torch>=2', 'numpy'])\n",
            ["numpy", "torch>=2"],
        ),
    ],
)
def test_packages_are_those_that_are_imported_with_the_versions_that_are_declared(
    file, text, packages
):
    files = {**FILES, file: text}
    if file != "requirements.txt":
        del files["requirements.txt"]
    draft = make_draft(source(files))
    assert value(draft, "environment.packages") == packages


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Python >= 3.8", ">=3.8"),
        ("python 3.6+", ">=3.6"),
        ("Python 2.7 or 3.6", "==3.6.*"),
        ("tested with Python 3.9.1", "==3.9.*"),
    ],
)
def test_python_as_people_state_it(said, expected):
    assert value(drafted(README_md=f"# N\n\n- {said}\n"), "environment.python") == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [("^3.8", ">=3.8,<4"), ("~3.8", ">=3.8,<3.9"), ("~3", ">=3,<4"), ("~=3.8", "~=3.8")],
)
def test_python_as_poetry_states_it(stated, expected):
    text = f'[tool.poetry.dependencies]\npython = "{stated}"\n'
    assert value(drafted(pyproject_toml=text), "environment.python") == expected


def test_own_modules_are_never_taken_from_an_index():
    draft = drafted(
        train_py="import utils, datasets.text\nfrom net import Net\n" + TRAIN,
        utils_py="x = 1\n",
        net_py="x = 1\n",
        datasets__text_py="x = 1\n",
    )
    assert value(draft, "environment.packages") == ["numpy==1.21.0", "torch>=1.9"]


@pytest.mark.parametrize(
    ("program", "name", "default"),
    [
        (
            "import click\n@click.command()\n@click.option('--rate', default=0.5)\ndef main(rate):\n    pass\n",
            "rate",
            0.5,
        ),
        (
            "import fire\ndef train(rate=0.25, epochs=3):\n    pass\nfire.Fire(train)\n",
            "rate",
            0.25,
        ),
        ("from absl import flags\nflags.DEFINE_float('rate', 1e-3, 'x')\n", "rate", 1e-3),
        (
            "import typer\napp = typer.Typer()\n@app.command()\ndef main(rate: float = typer.Option(2 * 0.5)):\n    pass\n",
            "rate",
            1.0,
        ),
        (
            "from dataclasses import dataclass\nfrom transformers import HfArgumentParser\n@dataclass\nclass A:\n    rate: float = 0.75\nHfArgumentParser(A)\n",
            "rate",
            0.75,
        ),
    ],
)
def test_options_of_every_kind_of_parser(program, name, default):
    draft = drafted(train_py=program, README_md="```\npython train.py\n```\n")
    assert value(draft, f"hyperparameters.{name}") == default
    assert f"--{name} {{{name}}}" in value(draft, "commands.train.run")


@pytest.mark.parametrize(
    ("text", "places"),
    [("0.12", 2), ("12", 0), ("1.5e-3", 4), ("2E-4", 4), ("1.50e1", 1), ("1e2", -2)],
)
def test_the_last_printed_digit(text, places):
    assert printed_decimals(text) == places


def test_of_a_row_the_number_of_the_test_comes_first():
    from scaffold.authoring.drafting.claims import find_claims
    from scaffold.authoring.drafting.documents import read_documents

    table = "| model | CV AUC (5 folds) | Test AUC |\n|---|---|---|\n| ours | 0.7520 | 0.7584 |\n"
    files = source({"README.md": f"# Net\n\n## Results (20 % held out)\n\n{table}"})
    numbers = find_claims(files, read_documents(files))
    assert [(n.value, n.unit) for n in numbers] == [(0.7584, "fraction"), (0.752, "fraction")]


def test_a_published_number_with_an_exponent_has_its_own_last_digit():
    from scaffold.authoring.drafting.claims import find_claims
    from scaffold.authoring.drafting.documents import read_documents

    table = "| Dataset | MSE |\n|---|---|\n| A | 1.5e-3 |\n"
    files = source({"README.md": f"# Net\n\n## Results\n\n{table}"})
    (number,) = find_claims(files, read_documents(files))
    assert (number.value, number.decimals) == (0.0015, 4)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("| | acc |\n|---|---|\n| Ours | 91.2 ± 0.3 |\n", (91.2, "percent")),
        ("| Dataset | F1 |\n|---|---|\n| A | 0.873 |\n", (0.873, "fraction")),
        (
            "<table><tr><th>model</th><th>Accuracy (%)</th></tr>\n<tr><td>net</td><td><b>88.1</b></td></tr></table>\n",
            (88.1, "percent"),
        ),
        ("It reaches a test accuracy of 97.25% after an hour.\n", (97.25, "percent")),
        ("With 20 % held out it reaches a test accuracy of 0.975.\n", (0.975, "fraction")),
        ("| | test accuracy % |\n|---|---|\n| Ours | 0.9 |\n", (0.9, "percent")),
    ],
)
def test_published_numbers_in_tables_and_sentences(table, expected):
    from scaffold.authoring.drafting.claims import find_claims
    from scaffold.authoring.drafting.documents import read_documents

    files = source({"README.md": f"# Net\n\n## Results\n\n{table}"})
    numbers = find_claims(files, read_documents(files))
    assert [(number.value, number.unit) for number in numbers] == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "![acc](https://img.shields.io/badge/accuracy-99.5%25-green)\n",
        "| model | time |\n|---|---|\n| net | 0.13s |\n",
        "Python 3.7 and torch 1.13.1 are needed; epochs 30.5.\n",
        "The paper reports 96.1% accuracy.\n",
    ],
)
def test_what_is_no_claim_of_its_own(text):
    from scaffold.authoring.drafting.claims import find_claims
    from scaffold.authoring.drafting.documents import read_documents

    files = source({"README.md": f"# Net\n\n## Results\n\n{text}"})
    assert [number for number in find_claims(files, read_documents(files)) if number.is_own] == []


def test_citations_are_checked_against_the_text():
    draft = drafted()
    sources = Sources(format=1, source="x", answers=draft.answers)
    assert wrong_citations(sources, source()) == []
    moved = source({**FILES, "train.py": "\n" + TRAIN})
    assert any("train.py:14 does not say" in line for line in wrong_citations(sources, moved))


@pytest.mark.parametrize(
    ("readme", "value_", "words"),
    [
        (
            "Their code:\n\n| m | acc |\n|---|---|\n| A | 0.81 |\n\nThis pytorch code:\n\n| m | acc |\n|---|---|\n| A | 0.82 |\n",
            0.82,
            "",
        ),
        ("It has a test perplexity of about `61.2` / `58.8` (validation / testing).\n", 58.8, ""),
        ("| net | test error |\n|---|---|\n| A | 7.5% |\n", 92.5, "published as error rate 7.5"),
    ],
)
def test_which_of_several_numbers_is_claimed_and_what_is_made_of_it(readme, value_, words):
    program = TRAIN.replace("Test accuracy: {100 * acc:.2f}%", "Test acc {acc}, test ppl {acc}")
    text = f"# Net\n\n{readme}\n```\npython train.py\n```\n"
    answer = drafted(README_md=text, train_py=program).answers["claims.0"]
    assert answer.value["value"] == value_ and words in answer.note


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- Test accuracy: **99.1%**", [99.1]),
        ("Accuracy on test set: 0.87 ± 0.02 (10 runs)", [0.87]),
        ("Paper: 94.0% test accuracy. Ours: 91.3% test accuracy.", [91.3]),
        ("Our baseline gets 71.0% accuracy. The full model gets 89.5% test accuracy.", [89.5]),
        ("Chance accuracy is 10.5%.", []),
        ("TODO: reach 99.5% accuracy.", []),
        ("The accuracy improved by 2.3% over last year.", []),
        ("Die accuracy ist 91,3 %.", []),
        ("| model | valid ppl | test ppl |\n|---|---|---|\n| big | 18.3 | 18.9 |", [18.9, 18.3]),
        (
            "| model | acc |\n|---|---|\n| ResNet | 0.71 |\n| **DeepThing** | **0.75** |",
            [0.75, 0.71],
        ),
    ],
)
def test_numbers_of_ones_own_the_headline_first(text, expected):
    from scaffold.authoring.drafting.claims import find_claims
    from scaffold.authoring.drafting.documents import read_documents

    files = source({"README.md": f"# Net\n\n## Results\n\n{text}\n"})
    numbers = find_claims(files, read_documents(files))
    assert [number.value for number in numbers if number.is_own] == expected


def test_a_program_that_multiplies_by_100_prints_percent():
    program = TRAIN.replace(
        'print(f"Test accuracy: {100 * acc:.2f}%")', 'print("Test accuracy: %.2f" % acc)'
    )
    shown = value(drafted(train_py=program), "metrics.0")
    assert (shown["unit"], shown.get("printed_in")) == ("percent", "fraction")
    times = program.replace("acc = 0.5", "acc = 100.0 * right / n")
    shown = value(drafted(train_py=times), "metrics.0")
    assert (shown["unit"], shown.get("printed_in")) == ("percent", None)


@pytest.mark.parametrize(
    ("script", "lr"),
    [
        ("LR=0.003\npython train.py --lr $LR --epochs 3\n", 0.003),
        ("LR=0.003\npython train.py --lr ${LR} --epochs 3\n", 0.003),
        ("for lr in 0.1 0.2; do\npython train.py --lr $lr\ndone\n", 0.1),
        ("python train.py --lr <LR>\n", None),
        ("python train.py [--lr 0.05]\n", None),
        ("nohup python3 train.py --lr 0.05 > log.txt 2>&1 &\n", 0.05),
    ],
)
def test_variables_are_filled_in_and_what_is_left_to_the_reader_is_no_command(script, lr):
    files = {**FILES, "README.md": "# N\n", "run.sh": script}
    draft = make_draft(source(files))
    if lr is None:
        assert draft.answers["commands.train.run"].status is FieldStatus.UNKNOWN
    else:
        assert value(draft, "hyperparameters.lr") == lr
        assert "log" not in value(draft, "commands.train.run")


def test_other_commands_stay_as_candidates_and_pretraining_comes_after_training():
    readme = "# N\n\n```\npython pretrain.py\npython train.py --lr 0.05\n```\n"
    draft = drafted(README_md=readme, pretrain_py=TRAIN)
    assert value(draft, "commands.train.run").startswith("python train.py")
    candidates = draft.answers["commands.train.run"].candidates
    assert [candidate.value for candidate in candidates] == ["python pretrain.py"]


def test_halves_of_characters_are_read():
    program = TRAIN.replace('default="MR"', 'default="\\ud800"').replace(
        "Test accuracy", "Test accuracy \\ud800"
    )
    draft = drafted(train_py=program)
    assert Sources(format=1, source="x", answers=draft.answers).model_dump_json()


def test_a_published_range_is_a_claim_of_both_ends():
    draft = drafted(
        README_md="# N\n\nThe final test accuracy is between 84.2 and 85.3 (5 runs).\n\n```\npython train.py\n```\n"
    )
    claim = value(draft, "claims.0")
    assert (claim["at_least"], claim["at_most"]) == (84.2, 85.3)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python train.py --epoch 7", "--epoch {epochs} --lr"),  # argparse takes a beginning
        ("CUDA_VISIBLE_DEVICES=0 python3 -u train.py --lr=0.5", "train.py --lr={lr}"),
        ("python train.py --lr 0.5 | tee log.txt", "train.py --lr {lr} --epochs"),
    ],
)
def test_commands_as_people_write_them(command, expected):
    draft = drafted(README_md=f"# N\n\n```\n{command}\n```\n")
    assert expected in value(draft, "commands.train.run")
    assert value(draft, "commands.train.run").count("{epochs}") == 1


def test_a_program_that_may_never_end_is_said_and_shortened():
    program = TRAIN.replace(
        '"--epochs", type=int, default=10', '"--max-steps", type=int, default=-1'
    )
    program = program.replace("range(args.epochs)", "range(args.max_steps)")
    draft = drafted(train_py=program, README_md="# N\n\n```\npython train.py\n```\n")
    assert "--max-steps 2" in value(draft, "commands.smoke.run")
    assert any("max_steps is -1 by default, so that it may never end" in w for w in draft.warnings)


def test_a_program_without_a_parser_is_configured_by_the_constants_that_its_command_names():
    program = "rate = 0.1\nsize = 8\nexec(open('configurator.py').read())\nloss.backward()\nprint(f'val loss {loss:.3f}')\n"
    draft = drafted(
        train_py=program, README_md="# N\n\n```\npython train.py config/a.py --rate=0.5\n```\n"
    )
    assert value(draft, "commands.train.run") == "python train.py config/a.py --rate={rate}"
    assert value(draft, "hyperparameters.rate") == 0.5
    assert draft.fixed["size"].value == 8


def test_a_program_is_found_by_its_name_where_there_is_one_of_it():
    files = {
        "README.md": "# N\n\n```python run_it.py```\n",
        "pkg/run_it.py": TRAIN,
        "setup.py": "x = 1\n",
    }
    draft = make_draft(source(files))
    assert value(draft, "commands.train.directory") == "pkg"
    twice = make_draft(source({**files, "other/run_it.py": TRAIN}))
    assert twice.answers["commands.train.run"].status is FieldStatus.UNKNOWN


def test_a_gpu_is_needed_where_nothing_looks_for_one_or_the_command_asks_for_it():
    assert value(drafted(), "resources.device") == "cpu"
    forced = TRAIN.replace("for epoch", "Net().cuda()\nfor epoch")
    assert value(drafted(train_py=forced), "resources.device") == "cuda"
    looks = forced.replace("Net().cuda()", "if torch.cuda.is_available():\n    Net().cuda()")
    assert value(drafted(train_py=looks), "resources.device") == "cpu"
    asked = README.replace("--dataset MR", "--dataset MR --gpu")
    assert value(drafted(README_md=asked), "resources.device") == "cuda"


def test_a_number_of_another_project_is_not_claimed():
    files = {
        "a/train.py": TRAIN,
        "a/README.md": "# A\n\n```\npython train.py\n```\n",
        "b/README.md": "# B\n\nThe test accuracy is 99.1%.\n",
        "b/other.py": "x = 1\n",
    }
    assert make_draft(source(files)).answers["claims"].status is FieldStatus.NONE


def test_of_a_count_and_its_share_the_share_is_read():
    import re

    line = "print('Test set: loss: {:.4f}, Accuracy: {}/{} ({:.0f}%)'.format(loss, right, n, 100. * right / n))"
    program = TRAIN.replace('print(f"Test accuracy: {100 * acc:.2f}%")', line)
    metric = value(drafted(train_py=program), "metrics.0")
    assert (metric["name"], metric["unit"]) == ("test_accuracy", "percent")
    printed = "Test set: loss: 0.0300, Accuracy: 9876/10000 (99%)"
    assert re.search(metric["read"]["stdout"], printed)["value"] == "99"


def test_data_that_nothing_names_may_be_a_folder_called_data():
    program = TRAIN.replace('open("data/reviews.csv")', "open(path_of(args))")
    answer = drafted(train_py=program).answers["datasets"]
    assert answer.status is FieldStatus.UNKNOWN
    assert [candidate.value["inside"] for candidate in answer.candidates] == ["data"]


def test_two_places_that_print_alike_are_one_metric():
    program = TRAIN.replace(
        'print(f"Test', 'print(f"Train accuracy: {acc:.2f}%")\n    print(f"Test'
    )
    program = program.replace("Train accuracy", "accuracy").replace("Test accuracy", "accuracy")
    names = [
        a.value["name"]
        for key, a in drafted(train_py=program).answers.items()
        if key.startswith("metrics.")
    ]
    assert sum("accuracy" in name for name in names) == 1


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400), st.text(max_size=400))
def test_any_text_is_read(readme, program):
    make_draft(source({"README.md": readme, "train.py": program, "setup.cfg": readme}))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_texts_are_read(data):
    def damaged(text):
        start = data.draw(st.integers(0, len(text)))
        return (
            text[:start]
            + data.draw(st.text(max_size=5))
            + text[start + data.draw(st.integers(0, 20)) :]
        )

    draft = make_draft(source({path: damaged(text) for path, text in FILES.items()}))
    sources = Sources(format=1, source="x", answers=draft.answers)
    assert Sources.model_validate_json(sources.model_dump_json()) == sources


@pytest.mark.parametrize(
    "code",
    [
        "json.dump(result, open('out/metrics.json', 'w'))\n",
        "with open('out/metrics.json', 'w') as file:\n    json.dump(result, file, indent=2)\n",
        "from pathlib import Path\nPath('out/metrics.json').write_text(json.dumps(result))\n",
        "with open(PLACE, 'w') as file:\n    file.write(json.dumps(result))\n",
    ],
)
def test_metrics_that_are_written_as_json(code):
    head = "import json\nPLACE = './out/metrics.json'\nrmse, mape = fit()\n"
    result = "result = {'seed': 3, 'test': {'rmse': rmse, 'mape': 100 * mape}, 'n': len(rows)}\n"
    draft = drafted(train_py=head + result + code, README_md="```\npython train.py\n```\n")
    metric = value(draft, "metrics.0")
    assert metric["read"] == {"json": "out/metrics.json", "key": "test.rmse"}
    assert (metric["name"], metric["split"], metric["direction"]) == ("test_rmse", "test", "lower")
    assert value(draft, "metrics.1")["read"]["key"] == "test.mape"


def test_a_file_whose_place_is_computed_is_not_guessed():
    code = "import json\njson.dump({'rmse': fit()}, open(folder / 'metrics.json', 'w'))\n"
    draft = drafted(train_py=code, README_md="```\npython train.py\n```\n")
    assert draft.answers["metrics"].status.value == "unknown"


def test_settings_in_a_dictionary_come_before_the_defaults_of_a_class():
    program = """
class Net:
    def __init__(self, epochs=10, dropout=0.5, layers=2):
        pass

net_params = {"epochs": 30, "batch_size": 1024, "layers": 3}
net_params["layers"] = count()
Net(**net_params).fit()
print("accuracy", 0.5)
"""
    draft = drafted(train_py=program, README_md="```\npython train.py\n```\n")
    fixed = {name: answer.value for name, answer in draft.fixed.items()}
    assert (fixed["epochs"], fixed["batch_size"], fixed["dropout"]) == (30, 1024, 0.5)


def test_a_prompt_of_one_sign_is_no_part_of_a_command():
    readme = "```\nExamples:\n> python train.py -d a.txt -n 3\n```\n"
    program = "import argparse\np = argparse.ArgumentParser()\np.add_argument('-d')\np.add_argument('-n', type=int)\n"
    assert "python train.py -d" in value(
        drafted(train_py=program, README_md=readme), "commands.train.run"
    )


def test_packages_that_bring_environments_are_kept():
    program = "import gymnasium as gym, sys\nenv = gym.make(sys.argv[1])\nprint('reward', 1.0)\n"
    draft = drafted(
        train_py=program,
        requirements_txt="gymnasium>=0.26\nminigrid>=2.2\npytest\n",
        README_md="```\npython train.py\n```\n",
    )
    packages = value(draft, "environment.packages")
    assert "minigrid>=2.2" in packages and "pytest" not in packages


def test_a_submodule_of_torchvision_names_a_dataset():
    program = "from torchvision.datasets.mnist import MNIST\nMNIST('./data', download=True)\nprint('accuracy', 0.5)\n"
    draft = drafted(train_py=program, README_md="```\npython train.py\n```\n")
    assert value(draft, "datasets.0")["name"] == "mnist"


def test_output_below_a_line_that_says_it_is_the_test():
    from scaffold.authoring.drafting.claims import find_claims
    from scaffold.authoring.drafting.documents import read_documents

    shown = "```\nvalid result:\nrecall@10: 0.2169\ntest result:\nrecall@10: 0.2368  ndcg@10: 0.2768\n```\n"
    files = source({"README.md": f"# Net\n\nYou will see some output like:\n\n{shown}"})
    numbers = find_claims(files, read_documents(files))
    assert [number.value for number in numbers] == [0.2368, 0.2768]
