"""Forms in which authors write what a draft reads: open words, lists, texts with a name, numbers."""

import pytest
from drafts import TRAIN, command_of, draft_of

from scaffold.records.draft import FieldStatus


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("python train.py --lr [0.1]", "python train.py --lr '[0.1]'"),
        ("python train.py --model [64,64]", "python train.py --model '[64,64]'"),
        ("python python train.py --lr 0.2", "python train.py --lr 0.2"),
    ],
)
def test_lists_are_values_and_slips_are_read(words, command):
    draft = draft_of(README_dot_md=f"# T\n\n```\n{words}\n```\n", train_dot_py=TRAIN)
    assert command_of(draft)[0] == command


@pytest.mark.parametrize(
    "open_word", ["--lr <learning rate>", "--lr=<any rate>", "--lr <0.1 | 0.2>", "--lr [RATE]"]
)
def test_what_is_left_to_the_reader_is_no_value(open_word):
    readme = f"# T\n\n```\npython train.py --model big {open_word}\n```\n"
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    assert draft.answers["commands.train.run"].status is FieldStatus.UNKNOWN
    assert draft.answers["hyperparameters.lr"].value == 0.1
    assert draft.answers["hyperparameters.model"].value == "big"


def test_text_in_tags_stands_before_a_command_like_any_other():
    readme = """\
# T

<p align="justify">
Training with the defaults.</p>

```
python train.py
```

Training faster.
```
python train.py --lr 9
```
"""
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    assert command_of(draft)[0] == "python train.py"


@pytest.mark.parametrize("name", ["interactive", "chat", "console", "play", "repl"])
def test_a_program_to_talk_to_is_not_what_trains(name):
    draft = draft_of(
        README_dot_md=f"# T\n\n`python {name}.py`\n\nSee [training](scripts/README.md).\n",
        **{f"{name}_dot_py": TRAIN},
        scripts__README_dot_md="# Scripts\n\n`python scripts/train.py --lr 0.3`\n",
        scripts__train_dot_py=TRAIN,
    )
    assert command_of(draft)[0] == "python scripts/train.py --lr 0.3"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"setup_dot_py": "# 'opencv-python >= 3.3.1'\n"}, None),
        ({"requirements_dot_txt": "numpy\npython==3.6.12\n"}, "==3.6.12"),
    ],
)
def test_python_and_not_a_package_with_its_name(files, expected):
    draft = draft_of(README_dot_md="# T\n\n`python train.py`\n", train_dot_py=TRAIN, **files)
    assert draft.answers["environment.python"].value == expected


@pytest.mark.parametrize(
    ("lines", "how"),
    [
        ("args.seed2 = random.randint(1, 10000)\nrandom.seed(args.seed2)", "inject"),
        ("split = train_test_split(x, random_state=0)\ny = torch.randn(3)", "inject"),
        ("split = train_test_split(x, random_state=0)\ntorch.manual_seed(0)", "offset"),
    ],
)
def test_seeds_that_are_drawn_and_those_of_a_split_alone(lines, how):
    program = f"import random\n{TRAIN}{lines}\n"
    draft = draft_of(README_dot_md="# T\n\n`python train.py`\n", train_dot_py=program)
    assert draft.answers["seeds.how"].value == how


LOOKS = "\nif torch.cuda.is_available(): print('there is one')\n"


@pytest.mark.parametrize(
    ("option", "lines", "device"),
    [
        ('"--cuda", action="store_false"', f"if args.cuda: model.cuda(){LOOKS}", "cuda"),
        ('"--cuda", action="store_true"', f"if args.cuda: model.cuda(){LOOKS}", "cpu"),
        (
            '"--cuda", default=True',
            "args.cuda = args.cuda and torch.cuda.is_available()\nif args.cuda: model.cuda()",
            "cpu",
        ),
        (
            '"--no_cuda", action="store_true"',
            "args.cuda = not args.no_cuda\nd = torch.device('cuda' if args.cuda else 'cpu')",
            "cuda",
        ),
        (
            '"--no_cuda", action="store_true"',
            "args.cuda = not args.no_cuda and torch.cuda.is_available()\n"
            "d = torch.device('cuda' if args.cuda else 'cpu')",
            "cpu",
        ),
    ],
)
def test_an_option_that_is_on_unless_it_is_given_guards_nothing(option, lines, device):
    program = TRAIN.replace("args = ", f"parser.add_argument({option})\nargs = ")
    draft = draft_of(
        README_dot_md="# T\n\n`python train.py`\n", train_dot_py=f"{program}\n{lines}\n"
    )
    assert draft.answers["resources.device"].value == device


def test_a_helper_that_looks_does_not_look_for_another_module():
    draft = draft_of(
        README_dot_md="# T\n\n`python main.py`\n",
        main_dot_py="from trainer import Trainer\nTrainer().train()\n",
        trainer_dot_py=(
            "import torch\nfrom helper import move\n\nclass Trainer:\n    def train(self):\n"
            "        net = torch.nn.Linear(2, 2).cuda()\n        net(move(1)).backward()\n"
        ),
        helper_dot_py=(
            "import torch\n\ndef move(x):\n    if torch.cuda.is_available():\n"
            "        x = x.cuda()\n    return x\n"
        ),
    )
    answer = draft.answers["resources.device"]
    assert (answer.value, str(answer.citations[0])) == ("cuda", "trainer.py:6")


SILENT = TRAIN.partition("print(")[0]


def printed(lines):
    draft = draft_of(
        README_dot_md="# T\n\n`python train.py`\n", train_dot_py=f"{SILENT}\n{lines}\n"
    )
    return {key: answer.value for key, answer in draft.answers.items() if "metrics" in key}


def test_a_text_is_read_where_its_name_was_given_it():
    lines = (
        "text = 'nothing %d' % 1\ntext = 'Epoch %d: recall=[%.5f]' % (1, acc)\nprint(text)\n"
        "text = 'later: precision %f' % acc\n"
    )
    metrics = printed(lines)
    assert [metric["name"] for metric in metrics.values()] == ["recall"]


@pytest.mark.parametrize(
    "line",
    [
        "print('d_loss: %f, g_loss: %f' % (d_loss, g_loss))",
        "print('d_out_real: {:.4f}'.format(d_loss_real))",
        "print('loss_type=%s' % args.model)",
    ],
)
def test_losses_that_say_nothing_of_quality_are_no_metrics(line):
    assert printed(line)["metrics"] is None


def test_f1_however_it_is_hyphenated():
    assert printed("print('F-1 score: %f' % acc)")["metrics.0"]["name"] == "f1"


OURS = (
    "## CIFAR-10 Classification\n\n| Model | Paper | Ours |\n|---|---|---|\n| Wide | 97.3 | {} |\n"
)


@pytest.mark.parametrize(
    ("cell", "line", "claim"),
    [
        ("97.4", "print('top1 error rate: %f' % acc)", {"value": 2.6}),
        ("97.4", "print('test accuracy: %f' % acc)", {"value": 97.4}),
        ("> 97.4 % accuracy", "print('test error rate: %f' % acc)", {"at_most": 2.6}),
    ],
)
def test_an_accuracy_is_what_an_error_rate_leaves(cell, line, claim):
    readme = f"# T\n\n`python train.py`\n\n{OURS.format(cell)}"
    draft = draft_of(README_dot_md=readme, train_dot_py=f"{SILENT}\n{line}\n")
    answer = draft.answers["claims.0"]
    assert answer.value.items() >= claim.items()
    assert ("published as accuracy 97.4" in answer.note) == ("error" in line)


@pytest.mark.parametrize(
    ("files", "dataset"),
    [
        (
            {
                "nets__adding__make_dot_py": "import random\ndef data_generator(n):\n"
                "    return [random.random() for _ in range(n)]\n"
            },
            {"name": "adding", "generated": "data_generator"},
        ),
        (
            {"nets__adding__make_dot_py": "def data_generator(n):\n    return open(n)\n"},
            None,
        ),
        (
            {"nets__adding__make_dot_py": "URL = 'http://yann.lecun.com/exdb/mnist/'\n"},
            {"name": "mnist"},
        ),
        (
            {"nets__adding__make_dot_py": "", "Data__gowalla__train_dot_txt": "1 2\n"},
            {"name": "gowalla", "inside": "Data/gowalla"},
        ),
    ],
)
def test_data_that_are_drawn_or_lie_under_their_name(files, dataset):
    named = TRAIN.replace('"--model", default="small"', '"--dataset", default="gowalla"')
    program = named if dataset and "inside" in dataset else TRAIN
    draft = draft_of(
        README_dot_md="# T\n\n`python train.py`\n",
        train_dot_py=f"from nets.adding.make import *\n{program}",
        **files,
    )
    answer = draft.answers.get("datasets.0")
    if dataset is None:
        assert answer is None
    else:
        assert answer.value.items() >= dataset.items()


@pytest.mark.parametrize(
    ("epochs", "budget"),
    [
        ("", "unknown"),
        ('parser.add_argument("--epochs", default=3)', None),
        ('parser.add_argument("--ep", default=10)', None),
        ('parser.add_argument("--epochs", type=int)', None),  # set elsewhere
    ],
)
def test_what_is_published_of_a_training_without_end_has_no_budget(epochs, budget):
    steps = f'parser.add_argument("--max-steps", type=int, default=-1)\n{epochs}\nargs = '
    draft = draft_of(
        README_dot_md="# T\n\n`python train.py`\n\nIt gets a test accuracy of 0.91.\n",
        train_dot_py=TRAIN.replace("args = ", steps),
    )
    assert draft.answers["claims.0"].value.get("budget") == budget
    assert any("may never" in text for text in draft.warnings) == (budget is not None)


def test_a_word_error_rate_is_no_accuracy():
    table = "## Speech recognition results\n\n| Data | Paper | Ours |\n|---|---|---|\n| Libri | 4.9 | 5.2 |\n"
    draft = draft_of(README_dot_md=f"# T\n\n`python train.py`\n\n{table}", train_dot_py=TRAIN)
    assert "claims.0" not in draft.answers


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("train_chatbot.py", "python train_chatbot.py"),
        ("tools/path/train.py", "python tools/path/train.py"),
    ],
)
def test_programs_whose_names_have_such_words_train_all_the_same(program, command):
    name = program.replace("/", "__").replace(".", "_dot_")
    draft = draft_of(README_dot_md=f"# T\n\n```\n{command}\n```\n", **{name: TRAIN})
    assert draft.answers["hyperparameters.lr"].value == 0.1
    known = draft.answers["commands.train.run"]
    texts = [str(known.value), *(str(one.value) for one in known.candidates)]
    assert any(text.startswith(command) for text in texts)
