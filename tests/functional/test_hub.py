"""From a model of the Hub to a recipe by evaluation: drafted from its card, nothing of it run."""

import json

import pytest
import yaml
from hub_server import REVISION, Hub, point_client_at, serve

CARD = """\
---
license: apache-2.0
pipeline_tag: text-classification
model-index:
- name: tiny
  results:
  - task:
      type: text-classification
    dataset:
      type: ada/reviews
      name: Reviews
      split: test
      revision: {revision}
    metrics:
    - type: accuracy
      value: 0.75
    - type: f1
      name: F1 (macro)
      value: 0.7333
    - type: f1
      value: 0.74
---
# A tiny classifier

It tells good reviews from bad ones.
""".replace("{revision}", REVISION)
FILES = {
    "README.md": CARD.encode(),
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"\0" * 64,
    "pytorch_model.bin": b"\x80\x04",
    "modeling_tiny.py": b"raise SystemExit\n",
}
DATA = {"data/train.csv": b"text,label\na,0\n", "data/test.csv": b"text,label\ngood,1\nbad,0\n"}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub with one model and one dataset, which the client asks instead of the real one."""
    hub = Hub()
    hub.models["ada/tiny"] = dict(FILES)
    hub.datasets["ada/reviews"] = dict(DATA)
    with serve(hub) as address:
        point_client_at(address, monkeypatch, tmp_path)
        yield hub


def drafted(cli, tmp_path, name="hf:ada/tiny", **options):
    return cli("recipes", "draft", name, "-o", tmp_path / "draft", "--json", **options).json


def test_a_card_answers_all_that_is_asked(cli, hub, tmp_path):
    answer = drafted(cli, tmp_path)
    assert answer["questions"] == []
    recipe = yaml.safe_load((tmp_path / "draft/recipe.yaml").read_text())
    assert recipe["reference"]["hub"] == "ada/tiny"
    assert recipe["reference"]["revision"] == REVISION
    # Neither the pickle nor the code is taken.
    assert recipe["reference"]["files"] == ["README.md", "config.json", "model.safetensors"]
    assert (recipe["task"], recipe["reference"]["license"]) == ("text-classification", "Apache-2.0")
    (dataset,) = recipe["datasets"]
    assert (dataset["hub"], dataset["path"], dataset["place"]) == (
        "ada/reviews",
        "data/test.csv",
        "data/test.csv",
    )
    claims = {claim["metric"]: claim for claim in recipe["claims"]}
    assert {name: claim["value"] for name, claim in claims.items()} == {
        "accuracy": 0.75,
        "f1_macro": 0.7333,
    }
    assert {claim["basis"] for claim in claims.values()} == {"evaluation"}
    assert claims["accuracy"]["source"]["line"] == 16
    assert answer["answers"]["claims.0"]["citations"][0]["words"] == "value: 0.75"
    assert recipe["commands"]["evaluate"]["run"].endswith("--data data/test.csv")
    assert (tmp_path / "draft/drivers/evaluate_text.py").is_file()
    # The average of the second F1 is not said: it is told, not guessed.
    assert any("README.md:21" in warning for warning in answer["warnings"])


def test_a_project_is_made_of_it_and_its_reference_is_what_it_pins(cli, hub, tmp_path):
    words = ("--from", "hf:ada/tiny", "--no-input", "--json")
    made = cli("new", tmp_path / "mine", *words).json
    assert made["reference_tree"]
    project = tmp_path / "mine"
    assert sorted(path.name for path in (project / "reference").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    check = cli("recipes", "check", tmp_path / "mine-recipe", "--json").json
    assert any("citations stand in the source" in note for note in check["notes"])
    hub.models["ada/tiny"]["config.json"] = b"{}"
    hub.asked.clear()
    cli("recipes", "check", tmp_path / "mine-recipe", "--offline")  # the cache has the pinned one
    again = cli("recipes", "draft", "hf:ada/tiny", "-o", tmp_path / "again", "--offline", "--json")
    assert again.json["questions"] == []
    missing = cli("recipes", "draft", "hf:ada/other", "-o", tmp_path / "o", "--offline", code=4)
    assert "--offline forbids" in missing.err
    assert hub.asked == []


def test_a_revision_may_be_named(cli, hub, tmp_path):
    drafted(cli, tmp_path, f"hf:ada/tiny@{REVISION}")
    cli("recipes", "draft", "https://huggingface.co/ada/tiny", "-o", tmp_path / "page")
    wrong = cli("recipes", "draft", "hf:ada/tiny@v9", "-o", tmp_path / "x", code=4).err
    assert "has no revision v9" in wrong


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        ((404, "RepoNotFound"), "is not on the Hub, or it is private"),
        ((401, "RepoNotFound"), "is not on the Hub, or it is private"),
        ((403, "GatedRepo"), "is gated"),
    ],
)
def test_models_that_cannot_be_had_are_explained(cli, hub, tmp_path, refused, message):
    hub.refused["ada/tiny"] = refused
    result = cli("recipes", "draft", "hf:ada/tiny", "-o", tmp_path / "draft", code=4)
    assert message in result.err
    assert "hf auth login" in result.err
    assert not (tmp_path / "draft").exists()


def test_weights_that_are_pickles_only_are_refused(cli, hub, tmp_path):
    del hub.models["ada/tiny"]["model.safetensors"]
    result = cli("recipes", "draft", "hf:ada/tiny", "-o", tmp_path / "draft", code=2)
    assert "pickles only (pytorch_model.bin)" in result.err
    assert not any("pytorch_model.bin" in path for path in hub.asked if "resolve" in path)


def test_a_recipe_that_names_a_pickle_is_refused(cli, hub, tmp_path):
    drafted(cli, tmp_path)
    recipe = tmp_path / "draft/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("- model.safetensors", "- pytorch_model.bin"))
    result = cli("new", tmp_path / "mine", "--from", tmp_path / "draft", "--no-input", code=4)
    assert "pytorch_model.bin, which may run code" in result.err


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("license: apache-2.0\n", ""), "reference.license"),
        (("type: ada/reviews", "type: ada/missing"), "datasets.0"),
        (("split: test", "split: other"), "datasets.0"),
        (("text-classification", "object-detection"), "commands.train.run"),
        (("model-index", "model_index"), "datasets.0"),
    ],
)
def test_what_a_card_does_not_answer_is_asked(cli, hub, tmp_path, change, key):
    old, new = change
    hub.models["ada/tiny"]["README.md"] = CARD.replace(old, new).encode()
    questions = drafted(cli, tmp_path)["questions"]
    assert [question["key"] for question in questions] == [key]


@pytest.mark.parametrize(
    "card", [b"", b"---\na: [\n---\n", b"\xef\xbb\xbf---\nlicense: mit\n---\n"]
)
def test_cards_without_metadata_are_read(cli, hub, tmp_path, card):
    hub.models["ada/tiny"]["README.md"] = card
    answer = drafted(cli, tmp_path)
    assert json.dumps(answer)
    assert ("reference.license" in {q["key"] for q in answer["questions"]}) == (b"mit" not in card)


def test_percent_and_configurations(cli, hub, tmp_path):
    card = CARD.replace("value: 0.75", "value: 75.0%").replace(
        "split: test", "split: test\n      config: en"
    )
    hub.models["ada/tiny"]["README.md"] = card.encode()
    hub.datasets["ada/reviews"] = {"de/test.csv": b"text,label\n", "en/test.csv": b"text,label\n"}
    drafted(cli, tmp_path)
    recipe = yaml.safe_load((tmp_path / "draft/recipe.yaml").read_text())
    assert [data["path"] for data in recipe["datasets"]] == ["en/test.csv"]
    assert (recipe["metrics"][0]["unit"], recipe["metrics"][0]["printed_in"]) == (
        "percent",
        "fraction",
    )
    assert recipe["claims"][0]["value"] == 75.0


def test_a_name_that_is_none(cli, tmp_path):
    assert "names no model" in cli("recipes", "draft", "hf:tiny", "-o", tmp_path / "x", code=2).err


def test_results_of_benchmarks_are_told_and_no_claims_are_made_of_them(cli, hub, tmp_path):
    hub.models["ada/tiny"][".eval_results/hle.yaml"] = (
        b"- dataset: {id: cais/hle, task_id: default}\n  value: 20.9\n- 5\n"
    )
    hub.models["ada/tiny"][".eval_results/broken.yaml"] = b"- [\n"
    answer = drafted(cli, tmp_path)
    (warning,) = [text for text in answer["warnings"] if "hle" in text]
    assert "20.9 is published on cais/hle" in warning
    assert "claims.2" not in answer["answers"]


def test_the_hub_is_asked_for_models_of_the_task_and_not_sent_the_text(cli, hub):
    hub.listed = [
        {"id": "bob/unlicensed", "downloads": 90000, "tags": []},
        {"id": "ada/tiny", "downloads": 1234, "tags": ["model-index", "license:apache-2.0"]},
    ]
    text = "sentiment of reviews of my secret product"
    found = cli("recipes", "find", "--hub", text, "--json").json
    assert found["models"] == [
        {"name": "ada/tiny", "license": "apache-2.0", "downloads": 1234},
        {"name": "bob/unlicensed", "license": None, "downloads": 90000},
    ]
    asked = hub.asked[-1]
    assert "pipeline_tag=text-classification" in asked and "filter=model-index" in asked
    assert "gated=False" in asked or "gated=false" in asked
    assert "secret" not in asked
    shown = cli("recipes", "find", "--hub", text).out
    assert "hf:ada/tiny  apache-2.0, 1,234 downloads" in shown
    assert "hf:bob/unlicensed  no licence stated" in shown
    hub.listed = []
    assert "no model of text-classification" in cli("recipes", "find", "--hub", text).out


def test_the_hub_is_not_asked_unless_one_says_so(cli, hub):
    assert cli("recipes", "find", "classify reviews", "--json").json["models"] == []
    assert hub.asked == []


def test_a_hub_that_refuses_is_said(cli, hub):
    hub.refused["list"] = (403, "Forbidden")
    refused = cli("recipes", "find", "--hub", "classify reviews", code=4)
    assert "the Hub does not give the model list of text-classification" in refused.err


def test_a_small_number_keeps_its_decimals(cli, hub, tmp_path):
    card = CARD.replace("- type: accuracy\n      value: 0.75", "- type: mse\n      value: 1.5e-05")
    hub.models["ada/tiny"]["README.md"] = card.encode()
    draft = drafted(cli, tmp_path)
    claims = [value["value"] for key, value in draft["answers"].items() if "claims." in key]
    (claim,) = [claim for claim in claims if claim["metric"] == "mse"]
    assert (claim["value"], claim["decimals"]) == (1.5e-05, 6)
