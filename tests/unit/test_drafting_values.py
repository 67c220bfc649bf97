"""Values, data and metrics that stand where few programs put them."""

import json

import pytest
from drafts import TRAIN, command_of, draft_of, fixed

README = "# T\n\n`python train.py`\n"


def test_a_program_of_an_older_python_is_read_and_its_word_is_told():
    program = TRAIN + "model.cuda(async=True)\n"
    draft = draft_of(README_dot_md=README, train_dot_py=program)
    assert draft.answers["hyperparameters.lr"].value == 0.1
    (warning,) = [text for text in draft.warnings if "async" in text]
    assert warning.startswith("train.py:17: ")


def test_code_below_a_line_of_text_is_code_however_far_it_is_indented():
    readme = "# T\n\nOn CIFAR10:\n    ```\n    python train.py --lr 0.5\n    ```\n"
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    assert command_of(draft) == ("python train.py --lr 0.5", "README.md:5")


@pytest.mark.parametrize(
    "line", ["> python train.py --help", "$ python train.py", "python train.py"]
)
def test_a_line_that_is_a_command_is_one(line):
    draft = draft_of(README_dot_md=f"# T\n\n{line}\n", train_dot_py=TRAIN)
    assert command_of(draft)[0] == "python train.py"


def test_a_baseline_is_not_what_the_authors_publish():
    readme = (
        "# T\n\nThe baseline:\n\n```\npython train.py --lr 1\n```\n\n"
        "With ours:\n\n```\npython train.py --lr 2\n```\n"
    )
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    assert command_of(draft)[0] == "python train.py --lr 2"


def test_folders_with_readmes_of_their_own_are_asked_about():
    readme = "# T\n\n`python train.py`\n"
    files = {f"{name}__README_dot_md": readme for name in ("gan", "flow")}
    files |= {f"{name}__train_dot_py": TRAIN for name in ("gan", "flow")}
    answer = draft_of(README_dot_md="# T\n\nSee the folders.\n", **files).answers[
        "commands.train.run"
    ]
    assert [candidate.value for candidate in answer.candidates] == ["flow/", "gan/"]


def test_an_option_in_another_form_is_still_that_option():
    for line, is_set in (
        ("args.model = args.model.lower()", False),
        ("args.lr = args.lr * 2", True),
        ("args.lr = max(args.lr, 1)", True),
    ):
        draft = draft_of(README_dot_md=README, train_dot_py=f"{TRAIN}{line}\n")
        assert any("sets" in text for text in draft.warnings) == is_set, line


def test_a_seed_that_is_drawn_if_it_is_not_given_is_an_argument():
    program = TRAIN.replace(
        "args = parser",
        'parser.add_argument("--manualSeed", type=int)\nargs = parser',
    )
    program += "if args.manualSeed is None:\n    args.manualSeed = 3\n"
    program += "torch.manual_seed(args.manualSeed)\n"
    draft = draft_of(README_dot_md=README, train_dot_py=program)
    assert draft.answers["seeds.how"].value == "argument"


# --- configuration and constants ----------------------------------------------------------------

CONFIGURED = """\
import json
import torch

def main():
    config = json.load(open("config.json"))
    width = 512
    depth = 3
    depth += 1
    net = Net(7, 64, dropout=0.5)
    net.loss().backward()

class Net(torch.nn.Module):
    def __init__(self, classes, hidden, dropout=0.1, momentum=0.9):
        super().__init__()

main()
"""
SETTINGS = json.dumps(
    {"data": {"filename": "prices.csv"}, "layers": [{"units": 100}, {"units": 5}]}, indent=1
)


def test_what_a_program_opens_by_name_configures_it():
    draft = draft_of(
        ("data/prices.csv",),
        README_dot_md=README,
        train_dot_py=CONFIGURED,
        config_dot_json=SETTINGS,
    )
    values = fixed(draft)
    assert values["layers.units"] == (100, "config.json:7")
    assert draft.answers["datasets.0"].value["inside"] == "data/prices.csv"


def test_names_and_own_classes_of_the_function_that_trains():
    values = fixed(draft_of(README_dot_md=README, train_dot_py=CONFIGURED))
    assert values["width"] == (512, "train.py:6")
    assert "depth" not in values  # it changes
    assert values["hidden"] == (64, "train.py:9")
    assert values["dropout"] == (0.5, "train.py:9")  # given, before the default
    assert values["momentum"] == (0.9, "train.py:13")


def test_the_default_of_an_option_that_names_a_configuration():
    program = TRAIN.replace('"--model", default="small"', '"-c", "--config", default="a/vae.yaml"')
    draft = draft_of(
        README_dot_md=README,
        train_dot_py=program,
        a__vae_dot_yaml="training:\n  gpus: [1]\n  weight_decay: 0.5\n",
    )
    assert fixed(draft)["training.weight_decay"] == (0.5, "a/vae.yaml:3")
    device = draft.answers["resources.device"]
    assert (device.value, str(device.citations[0])) == ("cuda", "a/vae.yaml:2")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("num_samples", True), ("low_rank", True), ("distance", True), ("local_rank", False)],
)
def test_names_that_have_another_word_in_them(name, is_one):
    program = TRAIN.replace('"--lr"', f'"--{name}"')
    draft = draft_of(README_dot_md=README, train_dot_py=program)
    assert (f"hyperparameters.{name}" in draft.answers) == is_one


# --- data and metrics ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "inside"),
    [
        ("open('cora/cora.content')", "cora/cora.content"),
        ("import pandas\npandas.read_csv('/home/ada/work/sales.csv')", "kept/sales.csv"),
        ("open('config.toml')", None),
    ],
)
def test_files_that_are_opened_by_their_whole_name(code, inside):
    paths = ("cora/cora.content", "kept/sales.csv", "config.toml")
    draft = draft_of(paths, README_dot_md=README, train_dot_py=f"{TRAIN}{code}\n")
    answer = draft.answers.get("datasets.0")
    assert (answer.value["inside"] if answer else None) == inside


@pytest.mark.parametrize(
    "code",
    [
        "import torchvision.datasets as d\nload = d.CIFAR10\nload('x')",
        "from torchvision.datasets import CIFAR10\nclass Mine(CIFAR10):\n    pass",
    ],
)
def test_a_dataset_that_is_named_without_a_call(code):
    draft = draft_of(README_dot_md=README, train_dot_py=f"{TRAIN}{code}\n")
    assert draft.answers["datasets.0"].value["name"] == "cifar10"


def metrics(program):
    draft = draft_of(README_dot_md=README, train_dot_py=program)
    return [
        (answer.value["name"], str(answer.citations[0]))
        for key, answer in draft.answers.items()
        if key.startswith("metrics.") and answer.value
    ]


def test_what_is_printed_only_to_evaluate_is_not_what_training_prints():
    program = TRAIN.replace("acc = 0.5; print", "acc = 0.5\nif args.evaluate:\n    print")
    program += '    exit()\nprint(f"valid acc {acc:.2f}")\n'
    assert metrics(program) == [("validation_accuracy", "train.py:20")]


def test_bars_and_counts_and_pairs():
    program = TRAIN.replace("acc = 0.5; print", "acc = 0.5; str")
    bar = program + 'bar.suffix = "top1: {top1:.2f}".format(top1=acc)\n'
    assert metrics(bar) == [("accuracy", "train.py:17")]
    pair = program + 'print(f"dev EM: {acc:.3f} / dev F1: {acc:.3f}")\n'
    assert metrics(pair)[0][0] == "validation_exact_match"


def test_a_program_that_trains_by_what_it_imports_is_the_only_one():
    draft = draft_of(
        README_dot_md="# T\n",
        run_dot_py="from core import learn\n\nif __name__ == '__main__':\n    learn()\n",
        core_dot_py="def learn(model):\n    model.fit(1)\n",
    )
    answer = draft.answers["commands.train.run"]
    assert [candidate.value for candidate in answer.candidates] == ["python run.py"]


# --- seeds, devices, packages -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seeding", "how"),
    [
        ("import random\nseed = random.randint(1, 10000)\ntorch.manual_seed(seed)", "inject"),
        ("torch.manual_seed(0)", "offset"),
        ("torch.manual_seed(0)\nsplit(args.seed)", "offset"),
        ("torch.manual_seed(args.seed)", "argument"),
        ("config = {}\ntorch.manual_seed(config['seed'])", "offset"),
        (
            "import random\nrandom.randint(0, 10**7)\n\ndef f(path):\n"
            "    seed = open(path).read()\n    torch.manual_seed(seed)",
            "offset",
        ),
        (
            "import numpy as np\n\ndef f(key):\n    np.random.seed(key)\n\n"
            "f(np.random.randint(2**31))",
            "inject",
        ),
    ],
)
def test_how_a_seed_gets_in(seeding, how):
    program = TRAIN.replace(
        "args = parser", 'parser.add_argument("--seed", type=int)\nargs = parser'
    )
    program = program if "args.seed" in seeding else TRAIN
    draft = draft_of(README_dot_md=README, train_dot_py=f"{program}{seeding}\n")
    assert draft.answers["seeds.how"].value == how


@pytest.mark.parametrize(
    ("code", "device"),
    [
        ("cuda = True\nif cuda:\n    model.cuda()", "cuda"),
        ("cuda = torch.cuda.is_available()\nif cuda:\n    model.cuda()", "cpu"),
        ("if args.cuda:\n    model.cuda()", "cuda"),
        ("if args.gpu:\n    model.cuda()", "cpu"),
    ],
)
def test_a_guard_that_is_always_true_is_none(code, device):
    options = 'parser.add_argument("--cuda", type=int, default=1)\n'
    options += 'parser.add_argument("--gpu", type=int, default=0)\nargs = parser'
    program = TRAIN.replace("args = parser", options) if "args." in code else TRAIN
    draft = draft_of(README_dot_md=README, train_dot_py=f"{program}{code}\n")
    assert draft.answers["resources.device"].value == device


def test_of_several_distributions_the_declared_one_is_taken_and_preparing_needs_its_own():
    draft = draft_of(
        README_dot_md="# T\n\n```\npython prepare.py\npython train.py\n```\n",
        train_dot_py=f"import cv2\n{TRAIN}",
        prepare_dot_py="import sentencepiece\nsentencepiece.run()\n",
        requirements_dot_txt="opencv-contrib-python==4.5\n",
    )
    packages = draft.answers["environment.packages"].value
    assert "opencv-contrib-python==4.5" in packages and "sentencepiece" in packages


def test_numbers_that_are_converted_where_they_are_written():
    program = TRAIN.replace("default=0.1", "default=int(50e6)")
    draft = draft_of(README_dot_md=README, train_dot_py=program)
    assert draft.answers["hyperparameters.lr"].value == 50_000_000


# --- claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readme", "value"),
    [
        ("Here is my output:\n\n```\nepoch 1 test accuracy: 0.5\ntest accuracy: 0.8\n```", 0.8),
        ("Try this:\n\n```\nepoch 1 test accuracy: 0.5\n```", None),
        ("It increased the test accuracy by 2.5 points.", None),
    ],
)
def test_what_a_document_shows_as_output_is_published_and_differences_are_not(readme, value):
    draft = draft_of(README_dot_md=f"# T\n\n`python train.py`\n\n{readme}\n", train_dot_py=TRAIN)
    claim = draft.answers.get("claims.0")
    assert (claim.value["value"] if claim else None) == value


def test_a_program_whose_name_says_nothing_and_that_does_not_train_is_not_taken():
    draft = draft_of(
        README_dot_md="# T\n\n`python record.py`\n", record_dot_py="print('recording')\n"
    )
    assert draft.answers["commands.train.run"].value is None


# --- what nine more repositories do -------------------------------------------------------------


def test_weights_and_word_vectors_are_no_data():
    program = TRAIN + 'URLS = ["https://a.org/resnet50.pkl", "https://a.org/glove.6B.zip"]\n'
    draft = draft_of(README_dot_md=README, train_dot_py=program)
    assert "datasets.0" not in draft.answers
    with_data = program + 'DATA = "https://a.org/reviews.zip"\n'
    draft = draft_of(README_dot_md=README, train_dot_py=with_data)
    assert draft.answers["datasets.0"].value["name"] == "reviews"


@pytest.mark.parametrize(
    ("name", "is_data"),
    [
        ("modelnet40_ply_2048.zip", True),
        ("wordnet18.zip", True),
        ("planet2020.tar.gz", True),
        ("supernet-0a1b2c3d4e.pkl", False),
        ("model_best.pkl", False),
        ("best_model.h5", False),
        ("tiny.pth.tar", False),
    ],
)
def test_names_of_weights_are_told_from_those_of_data(name, is_data):
    program = f'{TRAIN}URL = "https://a.org/{name}"\n'
    draft = draft_of(README_dot_md=README, train_dot_py=program)
    assert ("datasets.0" in draft.answers) == is_data


def test_a_program_without_its_ending():
    draft = draft_of(README_dot_md="# T\n\n`python3 train --lr 0.5`\n", train_dot_py=TRAIN)
    assert draft.answers["commands.train.run"].value.startswith("python train.py --lr {lr}")
    assert draft.answers["hyperparameters.lr"].value == 0.5


def test_values_that_stand_for_any_are_a_template():
    readme = "# T\n\n`python train.py --option=value1`\n\n`python train.py`\n"
    draft = draft_of(README_dot_md=readme, train_dot_py=TRAIN)
    assert command_of(draft)[0] == "python train.py"


def test_a_class_of_settings_and_the_data_that_it_names():
    settings = "class Config:\n    epochs = 15\n    train = dev = 'data/words.txt'\n"
    program = f"from config import Config\n{TRAIN}"
    draft = draft_of(
        ("data/words.txt",), README_dot_md=README, train_dot_py=program, config_dot_py=settings
    )
    assert fixed(draft)["epochs"] == (15, "config.py:2")
    assert draft.answers["datasets.0"].value["inside"] == "data/words.txt"


def test_a_schedule_that_gets_its_optimizer_later():
    program = TRAIN + "schedule = lr_scheduler.StepLR(80, 0.5)\n"
    values = fixed(draft_of(README_dot_md=README, train_dot_py=program))
    assert values["step_size"][0] == 80 and values["gamma"][0] == 0.5


def test_a_range_of_whole_numbers_is_published():
    readme = f"{README}\n\nIt achieves a test accuracy between 90 and 91 on it.\n"
    claim = draft_of(README_dot_md=readme, train_dot_py=TRAIN).answers["claims.0"].value
    assert (claim["at_least"], claim["at_most"]) == (90.0, 91.0)
