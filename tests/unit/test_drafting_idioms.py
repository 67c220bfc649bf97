"""Ways in which programs test, print and choose a device, each seen in several repositories."""

import re

import pytest
from drafts import TRAIN, draft_of

from scaffold.authoring.drafting.command_words import asks_to_evaluate

README = "# Net\n\nTest accuracy: 91.0\n\n## Training\n\n```\npython train.py\n```\n"
SILENT = re.sub(r"print\(.*\)", "pass", TRAIN)


def draft_with(lines, readme=README, **files):
    return draft_of(README_dot_md=readme, train_dot_py=f"{SILENT}\n{lines}\n", **files)


@pytest.mark.parametrize(
    ("words", "is_asked"),
    [
        ("trainNet.py --eval --trainfunc softmax", True),
        ("run.py --train_file a.txt --do_eval", True),
        ("main.py --train False", True),
        ("main.py --phase=test", True),
        ("main.py --inference", True),
        ("main.py --do_train --do_eval", False),
        ("main.py --mode train --test", False),
        ("main.py --eval_frames 400", False),
        ("main.py --eval 100", False),
        ("main.py --eval False", False),
        ("main.py --is_train 1", False),
    ],
)
def test_a_flag_of_its_own_says_to_evaluate(words, is_asked):
    assert asks_to_evaluate(["python", *words.split()]) is is_asked


def test_what_only_ever_trains_with_the_flag_trains():
    both = "```\npython train.py --lr 0.1\npython train.py --lr 0.2 --test\n```\n"
    draft = draft_of(README_dot_md=f"# Net\n\n{both}", train_dot_py=TRAIN)
    assert draft.answers["hyperparameters.lr"].value == 0.1
    always = "```\npython train.py --lr 0.2 --test\n```\n"
    draft = draft_of(README_dot_md=f"# Net\n\n{always}", train_dot_py=TRAIN)
    assert "--lr {lr}" in draft.answers["commands.train.run"].value
    assert "commands.evaluate.run" not in draft.answers


@pytest.mark.parametrize(
    ("lines", "device"),
    [
        ("assert torch.cuda.is_available()", "cuda"),
        ("def main():\n    if not torch.cuda.is_available():\n        raise SystemExit(1)", "cuda"),
        ("if not torch.cuda.is_available():\n    print('slow')", "cpu"),
        ("if args.gpu:\n    assert torch.cuda.is_available()", "cpu"),
        ("name = 'cuda:' + str(args.lr)\ndevice = torch.device(name)", "cuda"),
        ("device = torch.device(f'cuda:{args.lr}')", "cuda"),
        (
            "device = torch.device(f'cuda:{args.lr}' if torch.cuda.is_available() else 'cpu')",
            "cpu",
        ),
        ("name = 'cuda:0'\nname = 'cpu'\ndevice = torch.device(name)", "cpu"),
    ],
)
def test_a_program_that_ends_without_a_gpu_needs_one(lines, device):
    assert draft_with(lines).answers["resources.device"].value == device


@pytest.mark.parametrize(
    ("lines", "line", "value"),
    [
        (
            "def evaluate():\n    results = {'test_acc': acc}\n"
            "    for key in sorted(results):\n        print('  %s = %s' % (key, str(results[key])))",
            "  test_acc = 0.9123",
            "0.9123",
        ),
        (
            "def test():\n    out = {'acc': acc}\n    for k, v in out.items(): print(f'{k}: {v:.2f}')",
            "acc: 91.0",
            "91.0",
        ),
        (
            "def test():\n    out = {'acc': acc}\n"
            "    print(' | '.join(f'{k}={v:.2f}' for k, v in out.items()))",
            "loss=0.1 | acc=0.91",
            "0.91",
        ),
        (
            "def test():\n    results = {'acc': acc, 'n': 3}\n    print(results)",
            "{'acc': array([0.91]), 'n': 3}",
            "0.91",
        ),
    ],
)
def test_metrics_that_are_printed_as_a_dictionary(lines, line, value):
    metric = draft_with(lines).answers["metrics.0"].value
    assert (metric["name"], metric["split"]) == ("test_accuracy", "test")
    assert re.search(metric["read"]["stdout"], line)["value"] == value


@pytest.mark.parametrize(
    "lines",
    [
        "def test():\n    out = {'acc': 3}\n    for k in out: print(k, other[k])",
        "for row in rows: print('%s %s' % (row, total))",
        "try:\n    work()\nexcept OSError as acc:\n    print(f'accuracy: {acc}')",
    ],
)
def test_what_is_no_entry_of_a_dictionary_is_no_metric(lines):
    assert draft_with(lines).answers["metrics"].value is None


def test_a_training_loss_is_no_metric_of_a_program_that_computes_another():
    loss = "print('loss %.3f' % loss.item())"
    assert draft_with(loss).answers["metrics.0"].value["name"] == "loss"
    both = f"{loss}\nscore = f1_score(y, model(x))\n"
    assert "computes f1" in draft_with(both).answers["metrics"].note
    tested = both.replace("loss %", "test loss %")
    assert draft_with(tested).answers["metrics.0"].value["name"] == "test_loss"


TABLE = """# Net

## Results
Test accuracy of all, by depth.

| dataset | Depth | result |
|---|---|---|
| MR | 64 | 85.5 |

## Training
```
python train.py
```
"""
SETTINGS = """# Net

## Results

| | test accuracy |
|---|---|
| layer=1 | 81.0 |
| layer=3 | 85.5 |

## Training
```
python train.py --layer=3
```
"""


@pytest.mark.parametrize("readme", [TABLE, SETTINGS])
def test_a_setting_is_no_result_and_tells_results_apart(readme):
    """A column of depths has none, and a row of `layer=3` has that of the command."""
    claim = draft_of(README_dot_md=readme, train_dot_py=TRAIN).answers["claims.0"].value
    assert claim["value"] == 85.5


def test_switches_and_yes_or_no_are_shown_beside_the_draft():
    program = TRAIN.replace(
        "args = ",
        'parser.add_argument("--augment", action="store_true")\n'
        'parser.add_argument("--nesterov", type=str2bool, default=False)\n'
        'parser.add_argument("--cutout", action="store_true")\nargs = ',
        1,
    )
    readme = "# Net\n\n```\npython train.py --cutout\n```\n"
    fixed = draft_of(README_dot_md=readme, train_dot_py=program).fixed
    shown = {name: answer.value for name, answer in fixed.items()}
    assert shown["augment"] is False and shown["nesterov"] is False and shown["cutout"] is True


def test_a_distribution_that_is_declared_by_nearly_the_name_of_the_import():
    def packages(**files):
        return draft_with("import torchcrf", **files).answers["environment.packages"].value

    assert "pytorch-crf==0.7.2" in packages(requirements_dot_txt="pytorch-crf==0.7.2\n")
    assert "pytorch-crf" in packages()
    of_conda = packages(conda_requirements_dot_txt="py-torchcrf==0.9\n")
    assert not any(one.startswith("py-torchcrf") for one in of_conda)


def test_a_sum_that_is_printed_is_a_value_and_no_text():
    metric = draft_with("print('test loss:', 0.5 + 0.01 * acc)").answers["metrics.0"].value
    assert re.search(metric["read"]["stdout"], "test loss: 0.6231")["value"] == "0.6231"
    joined = draft_with("print('test loss: ' + str(acc) + ' nat')").answers["metrics.0"].value
    assert re.search(joined["read"]["stdout"], "test loss: 0.6 nat")["value"] == "0.6"


SESSION = """# Net

### CNN
    $ python train.py

    Total Parameters: 538570
    Training: 100% Time: 0:01:55
    Accuracy: {result}
"""


def test_what_a_document_shows_below_a_prompt_is_what_the_program_printed():
    program = "scale = 100 * 3\nprint('Accuracy:', acc)"
    draft = draft_with(program, readme=SESSION.format(result="0.987465181058"))
    claim, metric = draft.answers["claims.0"].value, draft.answers["metrics.0"].value
    assert claim["value"] == 0.987465181058 and claim["decimals"] == 12
    assert metric["unit"] == "fraction" and "printed_in" not in metric
    under_way = draft_with(program, readme=SESSION.format(result="0.9\n    epoch 7 accuracy 0.8"))
    assert "claims.0" not in under_way.answers


def test_the_best_of_a_population_is_no_final_result():
    lines = "print('Best Individual, accuracy: %.3f' % a)\nprint('mean squared error: %s' % b)"
    swapped = "\n".join(reversed(lines.split("\n")))
    for text in (lines, swapped):
        first = text.split("print('")[1].split()[0]
        silent = README.replace("Test accuracy: 91.0", "")
        name = draft_with(text, readme=silent).answers["metrics.0"].value["name"]
        assert name == ("accuracy" if first == "Best" else "mse")


def test_a_declared_fork_of_a_package_is_what_its_import_brings():
    draft = draft_with("import progressbar", requirements_dot_txt="progressbar33\n")
    assert "progressbar33" in draft.answers["environment.packages"].value


@pytest.mark.parametrize(
    "lines",
    [
        "def main(gpu):\n    if gpu < 0:\n        return 'cpu'\n    torch.device(f'cuda:{gpu}')",
        "if args.distributed:\n    torch.cuda.set_device(f'cuda:{args.lr}')",
        "def profile():\n    assert torch.cuda.is_available()",
        "if not torch.cuda.is_available():\n    print('will not exit() here')",
    ],
)
def test_what_is_only_sometimes_run_demands_no_gpu(lines):
    assert draft_with(lines).answers["resources.device"].value == "cpu"


def test_a_program_that_is_started_may_demand_a_gpu():
    lines = "if __name__ == '__main__':\n    assert torch.cuda.is_available()"
    assert draft_with(lines).answers["resources.device"].value == "cuda"


@pytest.mark.parametrize(
    "lines",
    [
        "def test():\n    out = {'acc': a}\n    for k, v in out.items(): print(f'{k}\\n{v}')",
        "out = {'acc': Acc}\nfor k, v in vars(args).items(): print('%s %s' % (k, v))",
    ],
)
def test_keys_on_lines_of_their_own_and_settings_are_no_metrics(lines):
    assert "metrics.0" not in draft_with(lines).answers


def test_a_key_is_a_whole_word_of_its_line():
    lines = (
        "def test():\n    out = {'acc': a}\n    for k, v in out.items(): print('\\n%s %s' % (k, v))"
    )
    pattern = draft_with(lines).answers["metrics.0"].value["read"]["stdout"]
    assert re.search(pattern, "acc 0.9")["value"] == "0.9"
    assert not re.search(pattern, "val_acc 0.5")
