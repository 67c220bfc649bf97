"""Format GO or NO-GO."""

from dataclasses import asdict
from typing import Any

from scaffold.records.goal import Limit
from scaffold.rules.loop.limits import LimitResult, Measured
from scaffold.tweak.ship import Shipping
from scaffold.views.analysis import error_answer, error_text, gap_answer, gap_cells
from scaffold.views.tables import Paint, headline, labelled, number, plain, table

_PASSES = {True: "pass", False: "FAIL", None: "open"}


def _passes(limit: LimitResult) -> str:
    return "not measured" if limit.value is None else _PASSES[limit.passes]


def shipping_answer(shipping: Shipping) -> dict[str, Any]:
    """Return what `--json` prints of GO or NO-GO."""
    return {
        "is_go": not shipping.reasons,
        "reasons": list(shipping.reasons),
        "metrics": [
            {
                "name": row.name,
                "split": row.split,
                "direction": row.direction,
                "n": row.n,
                "present": _measured(row.present),
                "before": _measured(row.before),
                "reference": _measured(row.reference),
                "published": row.published,
            }
            for row in shipping.metrics
        ],
        "limits": [
            {**asdict(one), "interval": list(one.interval) if one.interval else None}
            for one in shipping.limits
        ],
        "errors": {name: error_answer(error) for name, error in shipping.errors.items()},
        "gaps": [gap_answer(gap) for gap in shipping.gaps],
        "test_reads": shipping.test_reads,
    }


def _measured(measured: Measured | None) -> dict[str, Any] | None:
    if measured is None:
        return None
    interval = list(measured.interval) if measured.interval else None
    return {"value": measured.value, "interval": interval}


def format_shipping(shipping: Shipping, width: int, paint: Paint) -> str:
    """Format the answer, why not, metrics, limits, and the errors of the splits."""
    is_go = not shipping.reasons
    word, color = ("GO", "green") if is_go else ("NO-GO", "red")
    text = "every limit holds, on what was judged" if is_go else plain(shipping.reasons[0])
    lines = [*headline(word, text, width, lambda text: paint(text, color)), ""]
    for reason in shipping.reasons[1:]:
        lines += labelled("And", plain(reason), width)
    rows = [
        (
            plain(row.name),
            row.direction,
            _text(row.present),
            _text(row.before),
            _text(row.reference),
            number(row.published),
            str(row.n),
        )
        for row in shipping.metrics
    ]
    head = ("metric", "better", "now (95 %)", "before", "reference", "published", "n")
    lines += table(head, rows, width, lambda _, text: text)
    if shipping.limits:
        limits = [
            (plain(one.name), end_text(one), _text(_of_limit(one)), _passes(one))
            for one in shipping.limits
        ]
        lines += ["", *table(("limit", "must be", "is", ""), limits, width, lambda _, text: text)]
    of_classes = shipping.of_classes
    errors = [
        (name, error_text(error.error, of_classes=of_classes), f"{error.n:,}")
        for name, error in shipping.errors.items()
    ]
    if errors:
        lines += ["", *table(("split", "error", "n"), errors, width, lambda _, text: text)]
    gaps = [gap_cells(gap, of_classes=of_classes) for gap in shipping.gaps]
    if gaps:
        heads = ("gap", "between", "by (95 %)", "than what matters")
        lines += ["", *table(heads, gaps, width, lambda _, text: text)]
    if shipping.test_reads is not None:
        times = f"{shipping.test_reads} times" if shipping.test_reads != 1 else "once"
        reads = f"read {times} since it was sealed"
        late = "; after the first it is no longer unseen" if shipping.test_reads > 1 else ""
        lines += ["", *labelled("Test", f"{reads}{late}; commit sealed/", width)]
    if not is_go:
        limit = "scaffold goal set --limit 'METRIC>=NUMBER'"
        lines += ["", *labelled("Next", "scaffold next" if shipping.limits else limit, width)]
    return "\n".join(lines)


def _of_limit(limit: LimitResult) -> Measured | None:
    return None if limit.value is None else Measured(value=limit.value, interval=limit.interval)


def _text(measured: Measured | None) -> str:
    if measured is None:
        return "-"
    if measured.interval is None:
        return number(measured.value)
    low, high = map(number, measured.interval)
    return f"{number(measured.value)} ({low} to {high})"


def end_text(limit: Limit | LimitResult) -> str:
    """Return what a limit allows, such as `<= 20`."""
    if limit.at_most is not None:
        return f"<= {number(limit.at_most)}"
    return f">= {number(limit.at_least)}"
