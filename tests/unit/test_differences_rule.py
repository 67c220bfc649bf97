"""What differs between two states, and what belongs together."""

import pytest
from helpers import TOY_RECIPE, merged

from scaffold.records.system import System
from scaffold.rules.change.differences import compare_snapshots, describe_groups

KEYS = ("datasets", "environment", "commands", "seeds", "metrics", "progress", "resources")


def system(**changes) -> System:
    document = {
        "format": 1,
        **{key: TOY_RECIPE[key] for key in KEYS},
        "hyperparameters": {"rate": 0.1, "width": 16},
    }
    document["commands"] = {
        "train": {"run": "python train.py {seed} --rate {rate} --width {width}", "timeout_s": 20}
    }
    return System.model_validate(merged(document, changes))


OLD = """\
import math

RATE = 0.1


def augment(images, shift):
    return shift(images)


class Model:
    def forward(self, x):
        return self.head(x)


def main():
    for batch in data():
        loss = model(augment(batch, 1))
        loss.backward()
"""


def parts(new=None, path="src/train.py", before=None, after=None, files=None, **more):
    found = dict(files or {})
    if new is not None:
        found[path] = (OLD.encode(), new.encode())
    return compare_snapshots(before or system(), after or system(), found, **more)


def named(found):
    return [(part.aspect, part.name) for part in found]


def test_nothing_differs():
    assert parts() == []


def test_a_hyperparameter_is_told_with_both_values():
    found = parts(after=system(hyperparameters={"rate": 0.2}))
    assert [(part.aspect, part.name, part.text) for part in found] == [
        ("hyperparameter", "rate", "0.1 -> 0.2")
    ]


def test_two_hyperparameters_are_two_changes():
    found = parts(after=system(hyperparameters={"rate": 0.2, "width": 32}))
    assert [part.group for part in found] == [1, 2]
    told = describe_groups(found)
    assert (
        "(1) hyperparameter rate; (2) hyperparameter width" in told
        and "git stash push --patch" in told
    )


def test_code_is_named_by_the_function_it_lies_in():
    new = OLD.replace("return shift(images)", "return 2 * shift(images)").replace(
        "self.head(x)", "self.head(x) / 2"
    )
    found = parts(new)
    assert named(found) == [("code", "train.py:augment"), ("code", "train.py:Model.forward")]
    assert [part.group for part in found] == [1, 2]
    assert found[0].text == "+1 -1 lines"


def test_a_function_and_its_caller_are_one_change():
    new = OLD.replace("augment(images, shift)", "augment(images, shift, fill)").replace(
        "(batch, 1)", "(batch, 1, 0)"
    )
    assert {part.group for part in parts(new)} == {1}


def test_a_renamed_name_is_one_change_wherever_it_stands():
    found = parts(OLD.replace("loss", "cost").replace("self.head(x)", "self.head(cost)"))
    assert named(found) == [("code", "train.py:Model.forward"), ("code", "train.py:main")]
    assert {part.group for part in found} == {1}


def test_a_new_hyperparameter_its_slot_and_its_code_are_one_change():
    after = system(
        hyperparameters={"momentum": 0.9},
        commands={
            "train": {
                "run": "python train.py {seed} --rate {rate} --width {width} --momentum {momentum}"
            }
        },
    )
    found = parts(OLD.replace("loss.backward()", "loss.backward(momentum)"), after=after)
    assert named(found) == [
        ("hyperparameter", "momentum"),
        ("command", "train"),
        ("code", "train.py:main"),
    ]
    assert {part.group for part in found} == {1}
    assert describe_groups(found) is None


def test_flags_are_known_by_their_names_in_code():
    after = system(
        commands={
            "train": {
                "run": "python train.py {seed} --rate {rate} --width {width} --weight-decay 1"
            }
        }
    )
    found = parts(OLD.replace("loss.backward()", "loss.backward(args.weight_decay)"), after=after)
    assert {part.group for part in found} == {1}


def test_a_longer_patience_is_no_change():
    assert parts(after=system(commands={"train": {"timeout_s": 99}})) == []


def test_values_of_settings_files_are_told_one_by_one():
    old, new = (
        b"model: {width: 16, basis: 2}\nname: a\n",
        b"model: {width: 32, basis: 2}\nname: a\n",
    )
    found = parts(files={"src/config.yaml": (old, new)})
    assert [(part.aspect, part.name, part.text) for part in found] == [
        ("setting", "config.yaml:model.width", "16 -> 32"),
    ]
    found = parts(files={"src/config.json": (b'{"a": 1}', b'{ "a": 1 }')})
    assert found[0].text == "other layout, same values"


@pytest.mark.parametrize("path", ["src/broken.yaml", "src/broken.json"])
def test_broken_settings_files_are_told_by_their_lines(path):
    assert parts(files={path: (b"a: 1\n", b"a: [1\n")})[0].aspect in ("code", "setting")


def test_new_gone_and_binary_files():
    found = parts(
        files={
            "src/new.py": (None, b"x = 1\n"),
            "src/old.py": (b"y = 1\n", None),
            "data/x.bin": (b"\0", b"\1"),
        }
    )
    assert [(part.name, part.text) for part in found] == [
        ("new.py", "new, 1 lines"),
        ("old.py", "gone, 1 lines"),
        ("data/x.bin", "other bytes"),
    ]


def test_a_new_file_and_its_import_are_one_change():
    found = parts(
        OLD.replace("import math", "import math\nimport residual"),
        files={"src/residual.py": (None, b"x = 1\n")},
    )
    assert {part.group for part in found} == {1}


def test_new_data_and_their_loader_are_one_change():
    after = system(
        datasets=[{"name": "cancer", "bundled": "sklearn.datasets.load_cancer", "license": "none"}]
    )
    found = parts(OLD.replace("data()", "load_cancer()"), after=after)
    assert named(found) == [("data", "cancer"), ("data", "nothing"), ("code", "train.py:main")]
    assert {part.group for part in found} == {1}


def test_packages_are_told_with_their_versions():
    found = parts(
        packages=(
            ["numpy==1.26.4", "torch==2.6.0"],
            ["numpy==2.1.0", "torch==2.6.0", "einops==0.8"],
        )
    )
    assert [(part.aspect, part.text) for part in found] == [
        ("environment", "einops new: 0.8, numpy 1.26.4 -> 2.1.0")
    ]


def test_metrics_seeds_and_device():
    metrics = [TOY_RECIPE["metrics"][0], {**TOY_RECIPE["metrics"][1], "take": "min"}]
    after = system(
        metrics=metrics,
        seeds={"how": "inject"},
        resources={"device": "cuda"},
        commands={"train": {"run": "python train.py --rate {rate} --width {width}"}},
    )
    assert named(parts(after=after)) == [
        ("command", "train"),
        ("metric", "loss"),
        ("setting", "seeds"),
        ("setting", "device"),
    ]


def test_a_long_file_and_a_stranger_s_names_do_no_harm():
    huge = b"x = 1\n" * 100_000
    assert parts(files={"src/huge.py": (huge, huge + b"y")})[0].text == "other bytes"
    assert parts(files={"src/\xff.py": (b"\xff\xfe", b"\xff")})[0].aspect == "code"
