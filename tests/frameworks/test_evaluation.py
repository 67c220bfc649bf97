"""From a model card of the Hub to a verdict, without a question and without training.

A tiny model, made here, on a local Hub; `make test-frameworks` brings what the evaluation needs.
"""

import pytest
from helpers import approved
from hub_server import Hub, point_client_at, serve

CARD = """\
---
license: mit
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
    metrics:
    - type: accuracy
      value: {accuracy}
    - type: f1
      name: F1 (macro)
      value: {f1}
---
# A tiny classifier
"""
WORDS = ["good", "bad", "fine", "dull", "long", "short", "film", "plot", "cast", "end"]
TEXTS = [f"{first} {second} film" for first in WORDS for second in WORDS]
LABELS = [index % 2 for index in range(len(TEXTS))]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Files of a classifier with random weights, and what it predicts for the texts."""
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        BertTokenizer,
    )

    folder = tmp_path_factory.mktemp("model")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=2.0,
    )
    network = BertForSequenceClassification(config).eval()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with torch.no_grad():
        batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
        predicted = network(**batch).logits.argmax(-1).tolist()
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files, predicted


def f1_macro(predicted):
    """By its definition, in plain Python."""
    scores = []
    for label in (0, 1):
        both = sum(p == y == label for p, y in zip(predicted, LABELS, strict=True))
        scores.append(2 * both / (predicted.count(label) + LABELS.count(label)))
    return sum(scores) / 2


@pytest.mark.parametrize(("off", "verdict"), [(0, "REPRODUCED"), (0.02, "NOT_REPRODUCED")])
def test_from_a_card_to_a_verdict(cli, monkeypatch, tmp_path, model, off, verdict):
    files, predicted = model
    right = sum(p == y for p, y in zip(predicted, LABELS, strict=True)) / len(LABELS)
    assert 0.3 < right < 0.7 and 0 < sum(predicted) < len(predicted)
    hub = Hub()
    card = CARD.format(accuracy=right + off, f1=round(f1_macro(predicted), 4))
    hub.models["ada/tiny"] = {**files, "README.md": card.encode()}
    rows = [f"{text},{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
    hub.datasets["ada/reviews"] = {"test.csv": "\n".join(["text,label", *rows]).encode()}
    with serve(hub) as address:
        point_client_at(address, monkeypatch, tmp_path)
        draft = cli("recipes", "draft", "hf:ada/tiny", "-o", tmp_path / "draft", "--json").json
        assert draft["questions"] == []
        cli("new", tmp_path / "mine", "--from", tmp_path / "draft", "--no-input")
        result = cli.any_status("verify", "--json", cwd=approved(tmp_path / "mine")).json
    assert result["verdict"] == verdict and result["basis"] == "evaluation"
    claims = {
        finding["metric"]: finding["verdict"]
        for finding in result["findings"]
        if finding["question"] == "claim"
    }
    assert claims == {
        "accuracy": "INCONSISTENT" if off else "CONSISTENT",
        "f1_macro": "CONSISTENT",
    }
