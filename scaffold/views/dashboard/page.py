"""Write the page: a file without scripts that opens from disk; served, one script renews it."""

import base64
import hashlib
import itertools
import math
from collections.abc import Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scaffold.recipes.catalogue import data_dir
from scaffold.records.judgment import Verdict
from scaffold.rules.loop.case import Bottleneck
from scaffold.rules.loop.remedies import remedies
from scaffold.status.model import Purpose, is_by_others
from scaffold.views.analysis import answer_text, constant_text, error_text, gap_cells
from scaffold.views.dashboard.canvas import WIDE
from scaffold.views.dashboard.curves import draw_views
from scaffold.views.dashboard.facts import ChangeFacts, Facts
from scaffold.views.dashboard.learning_curve import draw_learning_curve
from scaffold.views.dashboard.svg import (
    draw_effects,
    draw_pairs,
    draw_shares,
    draw_strip,
    draw_sweep,
    draw_waterfall,
)
from scaffold.views.errors import MOST_TAGS, tag_cells
from scaffold.views.sweep import mind, trial_rows
from scaffold.views.tables import format_duration, number, plain

_GOOD = {
    *(Verdict.REPRODUCED, Verdict.CONSISTENT, Verdict.EXPECTED, Verdict.BETTER, Verdict.EQUAL),
    *(Verdict.CONCLUSIONS_HOLD,),
}
_BAD = {
    *(Verdict.NOT_REPRODUCED, Verdict.INCONSISTENT, Verdict.UNEXPECTED, Verdict.WORSE),
    *(Verdict.SEED_IGNORED, Verdict.DIFFERS),
}
_MOST_NAMED = 3
"""Changes that the first screen names, the latest first."""

_MOST_RUNS = 50
"""Rows of runs that are open at first."""


def make_page(facts: Facts, *, live: str = "") -> str:
    """Return the page as HTML.

    Args:
        facts: what it shows.
        live: what the facts are called by whoever serves the page; empty for a file, which has no
            script.
    """
    folder = data_dir("templates") / "dashboard"
    script = (folder / "live.js").read_text(encoding="utf-8") if live else ""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "plain": lambda text: plain(str(text)),
        "duration": format_duration,
        "number": _number,
        "tone": _tone,
        "error": error_text,
        "constant": constant_text,
        "gap": gap_cells,
        "tag_cells": tag_cells,
    }
    reproduction = facts.reproduction
    return environment.get_template(
        "page.html"
    ).render(
        facts=facts,
        status=facts.status,
        reproduction=reproduction,
        live=live,
        script=Markup(script),  # noqa: S704 - ours
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        answer=_does_it_reproduce(facts),
        held=_what_holds_it_back(facts),
        did=_what_changes_did(facts),
        waterfall=(
            _svg(draw_waterfall(facts.analysis.analysis, of_classes=facts.analysis.of_classes))
            if facts.analysis is not None
            else None
        ),
        learning_curve=(
            _svg(draw_learning_curve(facts.analysis)) if facts.analysis is not None else None
        ),
        remedies=remedies(facts.analysis.diagnosis) if facts.analysis else (),
        tried={change.name for change in facts.changes},
        next_words=_NEXT[facts.status.next.purpose],
        sweeps=[
            (swept, trial_rows(swept), mind(swept), _svg(draw_sweep(swept)))
            for swept in facts.sweeps
        ],
        sheets=[
            (read, _svg(draw_shares(read.shares[:MOST_TAGS])) if read.shares else None)
            for read in facts.sheets
        ],
        most_tags=MOST_TAGS,
        strip=_svg(draw_strip(reproduction)) if reproduction and reproduction.own else None,
        effects=[
            (metric, _svg(draw_effects(changes, WIDE)))
            for metric, changes in _by_metric(facts.changes)
        ],
        pairs=[
            (change, _svg(draw_pairs(change))) for change in facts.changes if len(change.pairs) > 1
        ],
        curves=[
            (curves, [(view.name, _svg(view.picture)) for view in draw_views(curves)])
            for curves in facts.curves
        ],
        checked=[change for change in facts.changes if change.checks],
        here={run.id for run in facts.runs},
        newest=facts.runs[:_MOST_RUNS],
        older=facts.runs[_MOST_RUNS:],
        metrics=sorted({name for run in facts.runs for name in run.metrics}),
        cost_s=sum(run.wall_time_s for run in facts.runs),
    )


def _svg(text: str) -> Markup:
    return Markup(text)  # noqa: S704 - made by ElementTree, which escapes


_WITHOUT_LIMIT = 1e300
"""What evidence, being JSON, says for infinity."""


def _number(value: float | None) -> str:
    if value is not None and math.isnan(value):
        return "NaN"
    if value is not None and abs(value) >= _WITHOUT_LIMIT:
        return "∞" if value > 0 else "-∞"
    return number(value)


def _tone(verdict: str) -> str:
    """Return how a verdict is colored: it says the same in words."""
    try:
        known = Verdict(verdict)
    except ValueError:
        return ""
    if known in _GOOD:
        return "good"
    return "bad" if known in _BAD else ""


def _does_it_reproduce(facts: Facts) -> tuple[str, str, str]:
    """Return the first card's answer, its tone, and one sentence."""
    status = facts.status
    if status.evidence == "none":
        return "Not tried yet", "", "No run of the untouched reference has been judged."
    if status.evidence == "stale":
        reasons = "; ".join(str(reason) for reason in status.stale_reasons)
        return "Out of date", "bad", f"It was {status.verdict}; since then: {reasons}."
    if is_by_others(status.origin):
        return "Not checked here", "", f"{status.verdict}, {status.origin}."
    if status.verdict == Verdict.REPRODUCED.value:
        seeds = "1 run" if status.seeds == 1 else f"{status.seeds} runs"
        return "Yes", "good", f"{seeds} of the untouched reference give its result again."
    if status.verdict == Verdict.NOT_REPRODUCED.value:
        return "No", "bad", status.reason or ""
    return "Not decided yet", "", status.reason or ""


def _what_holds_it_back(facts: Facts) -> tuple[str, str, str]:
    """Return the second card's answer, its tone, and one sentence."""
    if facts.analysis is None:
        return "Cannot say yet", "", "No predictions have been analyzed: scaffold analyze"
    analysis, diagnosis = facts.analysis.analysis, facts.analysis.diagnosis
    doubts = f" But: {'; '.join(analysis.doubts)}." if analysis.doubts else ""
    stale = "" if facts.analysis.is_current else " src/ changed since: analyze again."
    name = answer_text(analysis, diagnosis).capitalize()
    if diagnosis.bottleneck is None:
        return name, "", f"{_sentence(diagnosis.reason)}{doubts}{stale}"
    tone = "good" if diagnosis.bottleneck is Bottleneck.HEALTHY else "bad"
    against = f" Rivals: {'; '.join(diagnosis.against[:2])}." if diagnosis.against else ""
    return name, tone, f"{_sentence(diagnosis.reason)}{against}{doubts}{stale}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _what_changes_did(facts: Facts) -> str:
    """Return in one sentence what was tried last, the latest first."""
    tried = facts.changes
    if not tried:
        return "Nothing changed yet: each small change is judged against the state before it."
    accepted = [change for change in tried if change.decision == "accepted"]
    last = [
        f"{one.name} ({one.kind}): {one.verdict}, {one.decision}" for one in tried[-_MOST_NAMED:]
    ]
    return f"{len(tried)} tried, {len(accepted)} accepted. {'; '.join(reversed(last))}."


def _by_metric(changes: Sequence[ChangeFacts]) -> list[tuple[str, list[ChangeFacts]]]:
    """Return changes that were judged by pairs, those of one metric together."""
    paired = [change for change in changes if change.finding is not None]
    ordered = sorted(paired, key=lambda change: change.metric)
    groups = itertools.groupby(ordered, key=lambda change: change.metric)
    return [(metric, list(group)) for metric, group in groups]


_NEXT = {
    Purpose.RESTORE: "Restore files",
    Purpose.VERIFY: "Run what is missing, then judge",
    Purpose.EDIT: "Edit, then judge",
    Purpose.CALIBRATE: "Calibrate the recipe",
    Purpose.COMMIT: "Commit, then judge again",
    Purpose.BUILD_ANYWAY: "Build on it all the same",
    Purpose.SWITCH: "Switch to the open change",
    Purpose.ANALYZE: "Analyze again",
    Purpose.LOOK_AT_ERRORS: "Look at what is wrong",
    Purpose.SHIP: "See whether it is good enough",
    Purpose.START_TWEAK: "Begin a small change",
    Purpose.START_REWRITE: "Begin a rewrite",
    Purpose.ACCEPT: "Accept the change",
    Purpose.DROP: "Drop the change",
    Purpose.CORRECT: "Correct the change",
    Purpose.NONE: "Nothing is left",
}
"""What the next action is for, as a headline."""
