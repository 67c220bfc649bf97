"""Evaluate a text model of the Hugging Face Hub on a file of examples: it gives each a class, or a number.

    python evaluate_text.py MODEL --data FILE [FILE ...] [--limit N]

The model is read from its folder, offline; no code of it is run. Weights are read from safetensors.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
TEXTS = ("text", "sentence", "content", "review", "document", "comment", "tweet", "utterance", "question", "title")
PAIRS = (("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2"), ("question", "sentence"))
LABELS = ("label", "labels", "category", "class", "target", "intent", "sentiment", "coarse_label")
NUMBERS = ("score", "similarity_score")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--text", nargs="+", help="one column, or two that belong together; default: by its name")
    parser.add_argument("--label", help="default: by its name")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--limit", type=int, help="only the first so many examples")
    arguments = parser.parse_args()

    import pandas
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    table = pandas.concat([read(path) for path in arguments.data], ignore_index=True)[: arguments.limit]
    texts = arguments.text or columns(table, TEXTS, PAIRS, "--text")
    named = LABELS if set(LABELS) & set(table.columns) else NUMBERS
    label = arguments.label or columns(table, named, (), "--label")[0]
    print(f"{len(table)} examples; text: {', '.join(texts)}; label: {label}", file=sys.stderr)

    tokenizer = AutoTokenizer.from_pretrained(arguments.model, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        arguments.model, local_files_only=True, use_safetensors=True
    )
    model.eval()
    is_number = model.config.num_labels == 1
    expected = [float(value) if is_number else number(value, model.config.label2id) for value in table[label]]
    predicted = []
    for start in range(0, len(table), arguments.batch):
        batch = table.iloc[start : start + arguments.batch]
        inputs = tokenizer(
            *[batch[name].astype(str).tolist() for name in texts], truncation=True, padding=True, return_tensors="pt"
        )
        with torch.no_grad():
            logits = model(**inputs).logits
        predicted += (logits.squeeze(-1) if is_number else logits.argmax(-1)).tolist()
        print(f"step {min(start + arguments.batch, len(table))}", flush=True)

    for name, score in (scores_of_numbers if is_number else scores_of_classes)(expected, predicted):
        print(f"{name} {score:.8f}")


def scores_of_numbers(expected: list[float], predicted: list[float]):
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import mean_absolute_error, mean_squared_error

    yield "pearson", pearsonr(expected, predicted).statistic
    yield "spearman", spearmanr(expected, predicted).statistic
    yield "mse", mean_squared_error(expected, predicted)
    yield "mae", mean_absolute_error(expected, predicted)


def scores_of_classes(expected: list[int], predicted: list[int]):
    from sklearn.metrics import accuracy_score, matthews_corrcoef, precision_recall_fscore_support

    yield "accuracy", accuracy_score(expected, predicted)
    yield "matthews_correlation", matthews_corrcoef(expected, predicted)
    averages = ["macro", "micro", "weighted"] + (["binary"] if len(set(expected) | set(predicted)) <= 2 else [])
    for average in averages:
        scores = precision_recall_fscore_support(expected, predicted, average=average, zero_division=0)
        for name, score in zip(("precision", "recall", "f1"), scores, strict=False):
            yield f"{name}_{average}", score


def read(path: Path):
    import pandas

    if path.suffix == ".parquet":
        return pandas.read_parquet(path)
    if path.suffix in (".json", ".jsonl"):
        return pandas.read_json(path, lines=path.suffix == ".jsonl" or path.read_text()[:1] != "[")
    return pandas.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",")


def columns(table, names, pairs, option: str) -> list[str]:
    for pair in pairs:
        if set(pair) <= set(table.columns):
            return list(pair)
    known = [name for name in names if name in table.columns]
    if len(known) != 1:
        sys.exit(f"which column is it? {option} one of: {', '.join(map(str, table.columns))}")
    return known


def number(value: object, label2id: dict[str, int]) -> int:
    """The model's number of a label that is written as a number or as a name."""
    if isinstance(value, str) and not value.lstrip("-").isdigit():
        lower = {name.lower(): index for name, index in label2id.items()}
        if value.lower() not in lower:
            sys.exit(f"the model has no label {value!r}; it has: {', '.join(label2id)}")
        return lower[value.lower()]
    return int(value)


if __name__ == "__main__":
    main()
