"""Draft a recipe from a model card of the Hugging Face Hub: the released weights, evaluated here.

The card's metadata say it all: licence, task, dataset with its split, and the published numbers
(https://huggingface.co/docs/hub/model-cards#evaluation-results).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from scaffold.authoring.drafting.reading import Draft
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import Citation, FieldAnswer, none, unknown, value_of

CARD = "README.md"
DRIVERS: Mapping[str, str] = {"text-classification": "evaluate_text.py"}
"""Programs of ours that evaluate a model of a task."""

_PACKAGES = ["torch", "transformers", "pandas", "pyarrow", "scikit-learn"]
_AVERAGES = ("macro", "micro", "weighted", "binary")
_PRINTED_DECIMALS = 8
"""Of the driver."""

_AVERAGED = ("f1", "precision", "recall")
_SCORES: Mapping[str, tuple[str, str, str]] = {
    "accuracy": ("accuracy", "higher", "fraction"),
    "matthews_correlation": ("matthews_correlation", "higher", "correlation"),
    "pearson": ("pearson", "higher", "correlation"),
    "pearsonr": ("pearson", "higher", "correlation"),
    "spearman": ("spearman", "higher", "correlation"),
    "spearmanr": ("spearman", "higher", "correlation"),
    "mse": ("mse", "lower", "mse"),
    "mae": ("mae", "lower", "mae"),
}
"""Of the types that cards give metrics: what the driver prints, which way is better, the unit."""

_LICENCES = {
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "bsd": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "gpl-3.0": "GPL-3.0",
    "lgpl-3.0": "LGPL-3.0",
    "agpl-3.0": "AGPL-3.0",
    "mpl-2.0": "MPL-2.0",
    "unlicense": "Unlicense",
    "cc0-1.0": "CC0-1.0",
}
"""SPDX ids of the Hub's own; others differ by letters only, or are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardResult:
    """One number of a card.

    Attributes:
        score: `accuracy`, or `f1_macro` with its average; empty if it is another kind.
        value: as published.
        dataset: id of the dataset on the Hub.
        config, split, revision: of the dataset; empty where the card does not say.
        place: where the number stands.
        dataset_place: where the dataset stands.
    """

    score: str
    value: float
    dataset: str
    config: str
    split: str
    revision: str
    place: Citation
    dataset_place: Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A model card's metadata, with the line of each path of keys, and the title of its text."""

    data: Mapping[str, Any]
    places: Mapping[tuple[str | int, ...], Citation]
    title: str
    title_place: Citation | None


def read_card(files: SourceFiles) -> Card:
    """Read the metadata at the top of a card; none where there are none, or they are no YAML."""
    lines = files.lines(CARD) if CARD in files.texts else []
    end = next((n for n, line in enumerate(lines[1:], start=1) if line.strip() == "---"), 0)
    data: Any = {}
    places: dict[tuple[str | int, ...], Citation] = {}
    if lines and lines[0].strip() == "---" and end:
        text = "\n".join(["", *lines[1:end]])  # the lines keep their numbers
        try:
            data = yaml.safe_load(text)
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            for keys, number in _lines_of(node, ()):
                places[keys] = files.cite(CARD, number)
        except (yaml.YAMLError, ValueError, RecursionError):
            data, places = {}, {}
    heading = next((n for n, line in enumerate(lines) if n >= end and line.startswith("# ")), None)
    return Card(
        data=data if isinstance(data, dict) else {},
        places=places,
        title=lines[heading][2:].strip() if heading is not None else "",
        title_place=files.cite(CARD, heading + 1) if heading is not None else None,
    )


def _lines_of(
    node: yaml.Node | None, keys: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*keys, str(key.value))
            yield path, key.start_mark.line + 1
            yield from _lines_of(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*keys, index), item.start_mark.line + 1
            yield from _lines_of(item, (*keys, index))


def card_results(card: Card) -> list[CardResult]:
    """Return the numbers of a card that have a dataset, in its order."""
    results: list[CardResult] = []
    for model, entry in enumerate(_items(card.data.get("model-index"))):
        for number, result in enumerate(_items(entry.get("results"))):
            place: tuple[str | int, ...] = ("model-index", model, "results", number)
            dataset = result.get("dataset")
            if not isinstance(dataset, dict) or not isinstance(dataset.get("type"), str):
                continue
            for index, metric in enumerate(_items(result.get("metrics"))):
                value = _number(metric.get("value"))
                if value is None:
                    continue
                config = dataset.get("config", dataset.get("args", ""))
                results.append(
                    CardResult(
                        score=_score_of(metric, value),
                        value=value,
                        dataset=dataset["type"],
                        config=config if isinstance(config, str) else "",
                        split=str(dataset.get("split") or ""),
                        revision=str(dataset.get("revision") or ""),
                        place=_place(card, (*place, "metrics", index, "value")),
                        dataset_place=_place(card, (*place, "dataset", "type")),
                    )
                )
    return results


def benchmark_results(files: SourceFiles) -> list[str]:
    """Return in words what `.eval_results/*.yaml` publish: they name a benchmark, and no metric.

    https://huggingface.co/docs/hub/eval-results
    """
    results: list[str] = []
    for path in sorted(files.texts):
        if not path.startswith(".eval_results/"):
            continue
        try:
            entries = _items(yaml.safe_load("\n".join(files.lines(path))))
        except (yaml.YAMLError, ValueError, RecursionError):
            continue
        for entry in entries:
            dataset, value = entry.get("dataset"), _number(entry.get("value"))
            if isinstance(dataset, dict) and value is not None:
                results.append(
                    f"{path}: {value:g} is published on {dataset.get('id')}, and not which metric"
                    " it is: no claim was made of it"
                )
    return results


def _items(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    """Return a number of a card; authors write `98.4%` too."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?\s*%", value.strip()):
        return float(value.strip().rstrip("% "))
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _place(card: Card, keys: tuple[str | int, ...]) -> Citation:
    return card.places[keys]


def _score_of(metric: Mapping[str, Any], value: float) -> str:
    """Return the driver's name of a metric; empty for one it does not compute, or not as said."""
    kind = str(metric.get("type", "")).lower()
    if kind in _SCORES:
        name, _, unit = _SCORES[kind]
        return name if unit != "correlation" or abs(value) <= 1 else ""
    if kind not in _AVERAGED:
        return ""
    description = " ".join(str(metric.get(key, "")) for key in ("name", "args", "config")).lower()
    average = next((one for one in _AVERAGES if one in description), "")
    return f"{kind}_{average}" if average else ""


def draft_card(
    files: SourceFiles,
    name: str,
    safe_files: Sequence[str],
    datasets: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Draft:
    """Draft a recipe of a model's card.

    Args:
        files: the repository's texts.
        name: `ORG/NAME`.
        safe_files: paths of the files that are taken.
        datasets: entries of recipe.yaml for the datasets that could be had, by their ids.
    """
    card, draft = read_card(files), Draft(files=files)
    answers = draft.answers
    title = card.title or name
    answers["id"] = value_of(_id_of(name), note="of the model's name")
    answers["title"] = value_of(title, *([card.title_place] if card.title_place else []))
    answers["task"] = _task(card)
    answers["reference.hub"] = value_of(name, note="as it was asked for")
    answers["reference.revision"] = value_of(files.revision, note="as it was asked for")
    answers["reference.files"] = value_of(list(safe_files), note="texts and safetensors")
    answers["reference.tree"] = value_of(files.tree, note="of these files")
    answers["reference.license"] = _licence(card)
    answers["environment.packages"] = value_of(_PACKAGES, note="what our driver needs")
    answers["seeds.how"] = value_of("none", note="an evaluation draws nothing")
    answers["resources.device"] = value_of("cpu", note="our driver takes no GPU")
    draft.warnings.extend(benchmark_results(files))
    _add_results(draft, card, datasets)
    return draft


def _id_of(name: str) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return text if re.match(r"[a-z]", text) else f"model-{text}"


def _task(card: Card) -> FieldAnswer:
    tag = card.data.get("pipeline_tag")
    if isinstance(tag, str):
        return value_of(tag, card.places[("pipeline_tag",)])
    for model, entry in enumerate(_items(card.data.get("model-index"))):
        for number, result in enumerate(_items(entry.get("results"))):
            task = result.get("task")
            if isinstance(task, dict) and isinstance(task.get("type"), str):
                place = ("model-index", model, "results", number, "task", "type")
                return value_of(task["type"], card.places[place])
    return unknown("the card names no task")


def _licence(card: Card) -> FieldAnswer:
    licence = card.data.get("license")
    if not isinstance(licence, str) or licence in ("other", "unknown"):
        return none("the card states no licence: nobody but its authors may copy or change it")
    place = card.places[("license",)]
    return value_of(_LICENCES.get(licence, licence.upper()), place)


def _add_results(
    draft: Draft, card: Card, datasets: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Answer command, data, metrics and claims by the first dataset of the card that can be had."""
    answers, results = draft.answers, card_results(card)
    task = str(answers["task"].value)
    driver = DRIVERS.get(task)
    if driver is None:
        answers["commands.train.run"] = unknown(
            f"no driver of ours evaluates {task or 'a model without a task'}: name the command"
        )
        return
    scored = [result for result in results if result.score]
    for result in results:
        if not result.score:
            draft.warnings.append(
                f"{result.place}: {result.place.words}: the driver does not compute it, or the card"
                " does not say which average it is"
            )
    usable = [result for result in scored if result.dataset in datasets]
    if not results:
        answers["claims"] = none("the card has no evaluation results (model-index)")
    first = (usable or scored)[0] if scored else None
    if first is None or not usable:
        why = "no result names a dataset" if first is None else f"{first.dataset} could not be had"
        answers["datasets"] = unknown(f"{why}: name its file as hub, revision, path and sha256")
    entries = datasets[first.dataset] if first is not None and usable else []
    places = [str(entry["place"]) for entry in entries]
    run = f"python {{drivers}}/{driver} {{reference}} --data {' '.join(places) or 'data/FILE'}"
    answers["reference.drivers"] = value_of([f"drivers/{driver}"], note="ours")
    answers["commands.evaluate.run"] = value_of(run, note="our driver on the released weights")
    answers["commands.smoke.run"] = value_of(f"{run} --limit 32", note="the same, shortened")
    for index, entry in enumerate(entries):
        assert first is not None
        answers[f"datasets.{index}"] = value_of(dict(entry), first.dataset_place)
    of_dataset = [one for one in usable if first is not None and one.dataset == first.dataset]
    first_of_score: dict[str, CardResult] = {}
    for one in of_dataset:
        first_of_score.setdefault(one.score, one)
    for index, (score, one) in enumerate(first_of_score.items()):
        answers[f"metrics.{index}"] = value_of(_metric(score, is_percent=one.value > 1))
        answers[f"claims.{index}"] = value_of(_claim(draft.files, one, entries), one.place)
    if not first_of_score:
        answers["metrics.0"] = value_of(_metric("accuracy", is_percent=False))


def _metric(score: str, *, is_percent: bool) -> dict[str, Any]:
    known = {name: (direction, unit) for name, direction, unit in _SCORES.values()}
    direction, unit = known.get(score, ("higher", "fraction"))
    is_share = unit == "fraction" and is_percent
    metric: dict[str, Any] = {
        "name": score,
        "split": "test",
        "direction": direction,
        "unit": "percent" if is_share else unit,
        "read": {"stdout": rf"^{score} (?P<value>-?[\d.]+)$"},
    }
    return {**metric, "printed_in": "fraction"} if is_share else metric


def _claim(
    files: SourceFiles, result: CardResult, entries: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    exponent = Decimal(repr(result.value)).as_tuple().exponent
    decimals = max(-exponent, 0) if isinstance(exponent, int) else 0
    return {
        "metric": result.score,
        "dataset": entries[0]["name"],
        "basis": "evaluation",
        "value": result.value,
        "decimals": min(decimals, _PRINTED_DECIMALS),
        "selection": "one_run",
        "source": {
            "url": f"https://huggingface.co/{files.name_of_hub}/blob/{files.revision}/{CARD}",
            "line": result.place.line,
            "words": result.place.words,
        },
    }
