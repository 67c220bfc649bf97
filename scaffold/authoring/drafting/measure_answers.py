"""Answer what is measured, and what is published of it: metrics and claims belong together."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scaffold.authoring.drafting.command_words import Role
from scaffold.authoring.drafting.invocation import find_endless
from scaffold.authoring.drafting.json_metrics import find_reported
from scaffold.authoring.drafting.metric_words import find_metric
from scaffold.authoring.drafting.printed_metrics import PrintedMetric
from scaffold.authoring.drafting.published_numbers import PublishedNumber, split_of
from scaffold.authoring.drafting.python_files import Module, calls_in
from scaffold.authoring.drafting.reading import Draft, ReadSource
from scaffold.records.draft import Candidate, Citation, FieldAnswer, none, unknown, value_of

_MOST_METRICS = 6
_NO_SPLIT = "not stated"


def add_measures(draft: Draft, read: ReadSource) -> None:
    """Answer metrics and claims, which belong together."""
    claim = read.chosen.claim
    evaluating = read.python.reachable(read.evaluation.program) if read.evaluation else []
    modules = [*evaluating, *read.modules]
    printed = _ranked(find_reported(modules), claim)
    if claim is None:
        draft.answers["claims"] = _no_claims(read)
    if not read.modules:
        if claim is not None:
            _add_claim(draft, read, claim, f"{split_of(claim) or 'test'}_{claim.metric.name}")
        return
    if not printed:
        draft.answers["metrics"] = unknown("the program prints no metric that was recognized")
        return
    primary = printed[0]
    is_claimed = claim is not None and _are_alike(primary.metric.name, claim.metric.name)
    computed = _computed_quality(modules) if _is_training_loss(primary) else None
    if computed is not None and not is_claimed:
        name, place = computed
        draft.answers["metrics"] = unknown(
            f"the program prints its training loss, and computes {name} ({place}): say what shows"
            " it",
            *(
                Candidate(value=shown.metric.name, citations=(shown.place,))
                for shown in printed[:_MOST_METRICS]
            ),
        )
        return
    if claim is not None and not is_claimed:
        draft.warnings.append(
            f"{claim.place}: {claim.metric.name} is published, and the program prints none: a"
            " driver must compute it, or the nearest printed metric is judged instead"
        )
    is_in_percent = _multiplies(read)
    if claim is not None and is_claimed and claim.is_output:
        is_in_percent = claim.unit == "percent"
    metrics = _metrics(printed, claim if is_claimed else None, is_in_percent)
    for index, (metric, place) in enumerate(metrics):
        draft.answers[f"metrics.{index}"] = value_of(metric, place)
    if claim is not None and is_claimed:
        names = {claim.metric.name, primary.metric.name}
        is_complement = names == {"accuracy", "error_rate"}
        _add_claim(draft, read, claim, metrics[0][0]["name"], is_complement=is_complement)


_QUALITY = {
    *("accuracy", "equal_error_rate", "f1", "auc", "ndcg", "mrr", "hit_rate", "iou", "dice"),
    *("bleu", "rouge", "fid", "word_error_rate"),
}
"""Metrics that no network is trained on: a program that computes one reports it somewhere."""


def _is_training_loss(shown: PrintedMetric) -> bool:
    return shown.metric.name in ("loss", "error") and shown.split in (None, "train")


def _computed_quality(modules: Sequence[Module]) -> tuple[str, Citation] | None:
    """Return a metric of quality that some modules compute, and where; None if they do not."""
    for module in modules:
        for called, call in calls_in(module.tree):
            metric = find_metric(called.rpartition(".")[2])
            if metric is not None and metric.name in _QUALITY:
                return metric.name, module.cite(call)
    return None


_TIMES_100 = re.compile(r"\b100(\.0*)?\s*[*/]|[*]\s*\(?100\b|mul_?\(\s*100")
"""How code makes a percentage of a share."""


def _multiplies(read: ReadSource) -> bool:
    """Return whether the program makes percentages anywhere."""
    return any(_TIMES_100.search(line) for module in read.modules for line in module.lines)


def _metrics(
    printed: Sequence[PrintedMetric], claim: PublishedNumber | None, is_in_percent: bool
) -> list[tuple[dict[str, Any], Citation]]:
    """Return the metrics of a recipe, the one that is claimed first, each name once."""
    metrics: dict[str, tuple[dict[str, Any], Citation]] = {}
    patterns: set[str] = set()
    for shown in printed[: _MOST_METRICS * 2]:
        is_primary = shown.metric.name == printed[0].metric.name
        claimed_unit = claim.unit if claim is not None and is_primary else None
        metric = _metric(shown, claimed_unit, is_in_percent)
        if metrics:
            metric["monitored"] = True
        elif claim is not None and _is_of_best(claim):
            metric["take"] = {"higher": "max", "lower": "min"}[shown.metric.direction]
        pattern = f"{shown.pattern} {shown.key}"
        if pattern not in patterns:  # a line that reads alike is of the one before it
            metrics.setdefault(metric["name"], (metric, shown.place))
        patterns.add(pattern)
    return list(metrics.values())[:_MOST_METRICS]


_FIRST = re.compile(r"init|before|start", re.IGNORECASE)
_LAST = re.compile(
    r"final|best(?!(\\s[+*]|\W)+(individual|param|model|config))|\bend\b|result|finish",
    re.IGNORECASE,
)
"""What a line that a program prints first, or last, says of itself."""


def _ranked(printed: list[PrintedMetric], claim: PublishedNumber | None) -> list[PrintedMetric]:
    """Return printed metrics, the one that a claim is about first; test before validation."""
    claimed_name = claim.metric.name if claim else None
    split = split_of(claim) if claim else None
    order = {"test": 0, "validation": 1, None: 2, "train": 3}

    def rank(shown: PrintedMetric) -> tuple[bool | int, ...]:
        return (
            claimed_name is not None and not _are_alike(shown.metric.name, claimed_name),
            split is not None and shown.split != split,
            order[shown.split],
            bool(_FIRST.search(shown.pattern)),
            shown.split == "train" or not _LAST.search(shown.pattern),
            shown.metric.name == "loss",
        )

    return sorted(printed, key=rank)


def _metric(shown: PrintedMetric, claimed_unit: str | None, is_in_percent: bool) -> dict[str, Any]:
    split = shown.split or _NO_SPLIT
    unit = shown.metric.unit
    printed = unit
    if unit == "fraction":
        printed = "percent" if shown.is_percent or is_in_percent else "fraction"
        unit = claimed_unit or printed
    metric: dict[str, Any] = {
        "name": f"{shown.split}_{shown.metric.name}" if shown.split else shown.metric.name,
        "split": split,
        "direction": shown.metric.direction,
        "unit": unit,
        "read": {shown.stream: shown.pattern, **({"key": shown.key} if shown.key else {})},
    }
    if printed != unit:
        metric["printed_in"] = printed
    return metric


def _are_alike(printed: str, claimed: str) -> bool:
    """Return whether two names are of one metric: an error rate is what accuracy leaves."""
    alike = ({"loss", "nll"}, {"accuracy", "error_rate"}, {"error", "error_rate"})
    return printed == claimed or any({printed, claimed} <= names for names in alike)


def _is_of_best(claim: PublishedNumber) -> bool:
    """Return whether a published number is the best of the evaluations of a run."""
    best = re.compile(r"\b(best|max(imum)?|highest|peak)\b", re.IGNORECASE)
    return any(best.search(label) for label in claim.labels if len(label) <= _MOST_LABEL)


_MOST_LABEL = 40
"""Characters of what is a label, and no sentence."""


def _no_claims(read: ReadSource) -> FieldAnswer:
    others = [number for number in read.claims if not number.is_own][:3]
    if others:
        return unknown(
            "only other people's numbers were shown",
            *(Candidate(value=number.value, citations=(number.place,)) for number in others),
        )
    return none(
        "no figure of quality is published: `scaffold recipes calibrate` records what the program"
        " gives today, and that is then what is reproduced"
    )


def _add_claim(
    draft: Draft,
    read: ReadSource,
    published: PublishedNumber,
    metric: str,
    *,
    is_complement: bool = False,
) -> None:
    dataset = next((label for label in published.labels if _names_data(label)), "")
    source = f"{read.files.url}/blob/{read.files.revision}/{published.place.path}"
    is_web = read.files.url.startswith("https://")
    command = read.chosen.command
    entry: dict[str, Any] = {
        "metric": metric,
        "dataset": "data",
        "basis": "evaluation" if command and command.role is Role.EVALUATE else "training",
    }
    claim = _complement(published) if is_complement else published
    if claim.high is not None:
        entry |= {"at_least": claim.value, "at_most": claim.high}
    elif claim.bound:
        entry[claim.bound] = claim.value
    else:
        entry |= {"value": claim.value, "decimals": claim.decimals}
        if claim.spread and claim.spread_of == "sd" and claim.n:
            entry |= {"sd": claim.spread, "n": claim.n}
        elif claim.n and claim.n > 1:
            entry |= {"n": claim.n, "selection": "mean"}
    if command is not None and find_endless(command, read.options) is not None:
        entry["budget"] = "unknown"
    entry["source"] = {
        "url": source if is_web else claim.place.path,
        "line": claim.place.line,
        "words": claim.place.words,
    }
    rivals = [
        Candidate(value=number.value, citations=(number.place,))
        for number in read.claims
        if number.is_own and number is not published and number.metric == published.metric
    ][:8]
    note = f"dataset: {dataset}" if dataset else ""
    if claim.is_about:
        note += "; it says about"
    if not claim.is_named:
        note += "; the metric is not named there, and taken for an accuracy"
    if claim is not published:
        note += f"; published as {published.metric.name.replace('_', ' ')} {published.value:g}"
    if claim.spread and not claim.spread_of:
        note += f"; +-{claim.spread:g} of what is not said"
    draft.answers["claims.0"] = FieldAnswer(
        status=value_of(None).status,
        value=entry,
        citations=(claim.place,),
        candidates=tuple(rivals),
        note=note.strip("; "),
    )


def _complement(number: PublishedNumber) -> PublishedNumber:
    """Return what an error rate leaves of the accuracy, or the other way round."""
    whole = 100 if number.unit == "percent" else 1

    def left_over(value: float) -> float:
        return round(whole - value, number.decimals)

    other = {"at_least": "at_most", "at_most": "at_least"}
    if number.high is not None:
        return replace(number, value=left_over(number.high), high=left_over(number.value))
    return replace(number, value=left_over(number.value), bound=other.get(number.bound, ""))


def _names_data(label: str) -> bool:
    return bool(re.fullmatch(r"[A-Z][\w.\- ]{1,30}", label)) and len(label.split()) <= 3
