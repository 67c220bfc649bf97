"""From a model card of the Hub to a verdict, without a question and without training.

A tiny model, made here, on a local Hub; `make test-frameworks` brings what the evaluation needs.
"""

import statistics

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
"""
WORDS = ["good", "bad", "fine", "dull", "long", "short", "film", "plot", "cast", "end"]
TEXTS = [f"{first} {second} film" for first in WORDS for second in WORDS]
LABELS = [index % 2 for index in range(len(TEXTS))]


@pytest.fixture(scope="module", params=[2, 1])
def model(request, tmp_path_factory):
    """Files of a model with random weights and so many outputs, and what it gives for the texts.

    Two: the number of a class; one: a number.
    """
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
        num_labels=request.param,
    )
    network = BertForSequenceClassification(config).eval()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with torch.no_grad():
        batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
        logits = network(**batch).logits
    predicted = logits.argmax(-1) if request.param == 2 else logits.squeeze(-1)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files, predicted.tolist()


def scores(predicted):
    """By their definitions, in plain Python."""
    if isinstance(predicted[0], float):
        return {"pearson": statistics.correlation(predicted, [float(y) for y in LABELS])}
    pairs = list(zip(predicted, LABELS, strict=True))
    counts = {cell: pairs.count(cell) for cell in ((0, 0), (0, 1), (1, 0), (1, 1))}
    f1 = [
        2 * counts[label, label] / (predicted.count(label) + LABELS.count(label))
        for label in (0, 1)
    ]
    return {
        "accuracy": sum(p == y for p, y in pairs) / len(pairs),
        "f1": sum(f1) / 2,
        "matthews_correlation": statistics.correlation(predicted, LABELS),
    }


@pytest.mark.parametrize(("off", "verdict"), [(0, "REPRODUCED"), (0.02, "NOT_REPRODUCED")])
def test_from_a_card_to_a_verdict(cli, monkeypatch, tmp_path, model, off, verdict):
    files, predicted = model
    published = scores(predicted)
    first = next(iter(published))
    published[first] += off
    metrics = "".join(
        f"    - type: {kind}\n      name: {kind} (macro)\n      value: {value:.6f}\n"
        for kind, value in published.items()
    )
    card = CARD + metrics + "---\n# A tiny model\n"
    hub = Hub()
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
    names = ["f1_macro" if kind == "f1" else kind for kind in published]
    expected = dict.fromkeys(names, "CONSISTENT")
    assert claims == {**expected, names[0]: "INCONSISTENT" if off else "CONSISTENT"}
