"""Numbers as texts print them: their value, their unit, and what the text around them says."""

import re
from dataclasses import dataclass

from scaffold.authoring.drafting.metric_words import MetricWord, find_split
from scaffold.records.claim import printed_decimals
from scaffold.records.draft import Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedNumber:
    """A published number and what is said of it.

    Attributes:
        value: as printed, in `unit`.
        unit: `percent` or `fraction` where the text says so, else the metric's own.
        decimals: digits after the point.
        spread: what follows a `±`; `spread_of` says of what, if the text does.
        n: runs that it is a mean of, if the text says so.
        labels: words of its row, column, headings and sentence: dataset, model, split.
        is_own: whether the text marks it as this source's.
        rank: lower is more likely the headline.
        is_about: whether it is only nearly so.
        bound: `at_least` or `at_most` where the text says so.
        is_bold: printed in bold: the best one of its table.
        section: of a sentence, the heading above it.
        high: of a range, where it ends; `value` is where it begins.
        is_output: whether it is shown as the program printed it.
        is_named: whether the text names the metric; `45.6 %` under `Result` is taken for an
            accuracy only if the program prints one.
    """

    metric: MetricWord
    value: float
    unit: str
    decimals: int
    place: Citation
    labels: tuple[str, ...] = ()
    rank: int = 0
    spread: float | None = None
    spread_of: str = ""
    n: int | None = None
    is_own: bool = True
    is_about: bool = False
    bound: str = ""
    is_named: bool = True
    is_bold: bool = False
    section: str = ""
    high: float | None = None
    is_output: bool = False


NUMBER = re.compile(
    r"(?P<about>~|≈|about "
    r"|around )?\s*(?P<bound>[<>≤≥]=?)?\s*(?P<value>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    r"\s*(?P<percent>%|percent)?(?:\s*(?:±|\+/-|\+-|\\pm)\s*(?P<spread>\d+(?:\.\d+)?)\s*(?P<percent2>%)?)?"
)


def is_free(text: str, match: re.Match[str]) -> bool:
    """Return whether a number is one, not a part of a name, version, link or range of years."""
    before, after = text[: match.start("value")], text[match.end("value") :]
    return not (
        re.search(r"[\w./@#=%-]$|\d,$|(±|\+/?-)\s*$", before)
        or re.match(r"[A-Za-z_/]|[.,]\d|-\w", after)
    )


_IN_PERCENT = re.compile(r"[(\[]\s*(in )?(%|percent)|\bin (%|percent)|[A-Za-z_)]\s*(%|percent)")


def read_number(
    place: Citation, metric: MetricWord, match: re.Match[str], around: str
) -> PublishedNumber:
    """Return a number as it is printed, with what the text around it says of unit and spread."""
    text = match["value"]
    value = float(text)
    unit = metric.unit
    if metric.unit == "fraction":
        # "20 % were held out" says nothing of 0.75: a head says "(%)", a sentence "in percent".
        says_percent = match["percent"] or match["percent2"] or _IN_PERCENT.search(around)
        unit = "percent" if says_percent or abs(value) > 1 else "fraction"
    runs = re.search(
        r"(?:over|of|from|across|averaged over|mean of)\s+(\d+)\s+(?:\w+\s+)?(?:runs"
        r"|seeds|trials|times|folds|random)",
        around,
        re.IGNORECASE,
    )
    spread = float(match["spread"]) if match["spread"] else None
    kinds = {
        "standard error": "standard_error",
        "std": "sd",
        "standard deviation": "sd",
    }
    bounds = {"<": "at_most", "≤": "at_most", ">": "at_least", "≥": "at_least"}
    return PublishedNumber(
        metric=metric,
        value=value,
        unit=unit,
        decimals=max(0, printed_decimals(text)),
        place=place,
        spread=spread,
        spread_of=next((kind for word, kind in kinds.items() if word in around.lower()), ""),
        n=int(runs[1]) if runs else None,
        is_about=bool(match["about"]),
        bound=bounds.get((match["bound"] or " ")[0], ""),
    )


_SHORT_LABEL = 40
"""Characters of a label that names a split by itself; a sentence is longer."""


def split_of(number: PublishedNumber) -> str | None:
    """Return the split that a number's own labels name.

    A sentence that speaks of training does not say that the number is of the training split.
    """
    for label in number.labels:
        split = find_split(label)
        if split and (split != "train" or len(label) <= _SHORT_LABEL):
            return split
    return None
