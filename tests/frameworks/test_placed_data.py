"""Data placed where the loader of `datasets` finds them, by digest and without a network."""

import hashlib
import json

from helpers import ACCURACY, toy_recipe

CLAIM = {
    "metric": "accuracy",
    "dataset": "reviews",
    "basis": "training",
    "value": 0.75,
    "source": {"url": "u", "words": "w"},
}


def test_a_dataset_of_the_hub(cli, tmp_path):
    program = """\
        import json, datasets
        labels = datasets.load_dataset("ada/reviews", split="test")["label"]
        json.dump({"accuracy": sum(labels) / len(labels)}, open("metrics.json", "w"))
        """
    content = b"".join(json.dumps({"label": label}).encode() + b"\n" for label in (1, 1, 1, 0))
    (tmp_path / "recipe/data").mkdir(parents=True)
    (tmp_path / "recipe/data/test.jsonl").write_bytes(content)
    dataset = {
        "name": "reviews",
        "license": "none stated",
        "file": "data/test.jsonl",
        "sha256": hashlib.sha256(content).hexdigest(),
        "place": "ada/reviews/data/test.jsonl",
    }
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": program},
        metrics=[ACCURACY],
        progress=None,
        seeds={"how": "none"},
        commands={"train": {"run": "python train.py"}, "smoke": None},
        datasets=[dataset],
        claims=[CLAIM],
    )
    record = cli("run", "--json", cwd=cli.new(recipe)).json["runs"][0]
    assert record["metrics"]["accuracy"]["value"] == 0.75
