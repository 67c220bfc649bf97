"""A reproduction on one page that can be linked, and whether such a page still says the truth.

The page is Markdown, made of an in-toto statement that stands at its end, and of nothing else: made
again from it, it must be the same to the last character.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold import __version__
from scaffold.errors import BrokenFileError, Problem, ProjectError
from scaffold.project.files import read_text
from scaffold.project.project import Project, load_recipe
from scaffold.records.judgment import Verdict
from scaffold.reproduce.evidence import read_evidence
from scaffold.reproduce.staleness import require_evidence
from scaffold.views.exports.statement import claim_findings, describe
from scaffold.views.tables import number

_HEAD = "# Reproduction certificate: "
_STATEMENT = re.compile(r"^```json\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_MOST_BYTES = 1_000_000

_MEANINGS = {
    Verdict.REPRODUCED.value: "the reference gave its published result here",
    Verdict.INCONCLUSIVE.value: "the runs neither show nor refute the published result",
    Verdict.NOT_REPRODUCED.value: "the reference did not give its published result here",
}
_LIMITS = """\
## What it does not prove
- That the published number is right, that the code does what the paper says, or that the data are
  what they are called.
- That a fault is absent which moves no monitored metric by more than about one standard deviation
  of a seed.
- Anything of other data, hyperparameters, versions or hardware than those below.
- That whoever wrote this page is honest: it says what its files say. Check it, or run it.

## How to check it
In a clone of the project that it came with, `scaffold certificate check FILE` compares the files
and judges their runs again; `scaffold verify` runs one of the seeds on your machine and compares it
to the last digit. From nothing: make the project from the recipe below (`mlloop-new --from
RECIPE`), then `scaffold verify`.
"""


def make_certificate(statement: Mapping[str, Any]) -> str:
    """Return the page of a statement, as `exports.statement.make_statement` makes it."""
    proof = statement["predicate"]["reproduction"]
    reference = proof["reference"]
    rows = [
        "| metric | published | here: mean (sd, n) | consistent would be | verdict |",
        "|---|---|---|---|---|",
        *(
            f"| {_cell(one['metric'])} | {_cell(one['published'] or '')} | {_values(one)} |"
            f" {_interval(one['interval'])} | {one['verdict']} |"
            for one in claim_findings(proof)
        ),
    ]
    facts = {
        "recipe": proof["recipe"],
        **{name: value for name, value in reference.items() if name != "license"},
        "seeds": ", ".join(map(str, proof["seeds"])),
        "runs that did not end well": str(proof["failed_runs"]),
        "hardware": "; ".join(proof["hardware"]),
        "python": ", ".join(proof["python"]),
        "sandbox": ", ".join(proof["sandboxes"]),
        "judged": proof["created"],
    }
    sources = [f"- {_cell(one['words'])} ({_cell(one['source'])})" for one in proof["claims"]]
    deviations = [f"- {_cell(one['text'])}" for one in proof["deviations"]]
    return "\n".join(
        [
            f"{_HEAD}{_cell(proof['title'])}",
            "",
            f"**{proof['verdict']}**: {_MEANINGS[proof['verdict']]} ({_cell(proof['basis'])}).",
            "",
            *rows,
            "",
            f"Why: {_cell(proof['reason'])}",
            "",
            *(["What was published:", "", *sources, ""] if sources else []),
            *(["Deviations from it:", "", *deviations, ""] if deviations else []),
            _LIMITS,
            "## What was run",
            "| | |",
            "|---|---|",
            *(f"| {name} | {_cell(value)} |" for name, value in facts.items()),
            "",
            "## Statement",
            "The same for programs, an [in-toto](https://in-toto.io) test result.",
            "",
            "```json",
            json.dumps(statement, indent=1, ensure_ascii=True),
            "```",
            "",
        ]
    )


def _cell(text: str) -> str:
    """Return an untrusted text as one line of plain Markdown."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return re.sub(r"([\\`*_\[\]<>|#&~])", r"\\\1", line)


def _values(finding: Mapping[str, Any]) -> str:
    sd = "" if finding["sd"] is None else f"sd {number(finding['sd'])}, "
    return f"{number(finding['mean'])} ({sd}n {finding['n']})"


def _interval(ends: list[float] | None) -> str:
    return f"{number(ends[0])} to {number(ends[1])}" if ends else ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked of a certificate; `holds` is None where it could not be."""

    name: str
    holds: bool | None
    text: str


_MALFORMED = (
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RecursionError,
)
"""What a page of an untrusted statement may end with that lacks something, or has it otherwise."""


def read_certificate(path: Path) -> tuple[str, dict[str, Any]]:
    """Return a page and its statement.

    Raises:
        BrokenFileError: it is not a certificate.
    """
    text = read_text(path, _MOST_BYTES)
    statements = _STATEMENT.findall(text)
    try:
        statement = json.loads(statements[-1])
        make_certificate(statement)
    except _MALFORMED as error:
        problem = Problem(source=path.name, line=1, where="", message="has no statement to check")
        raise BrokenFileError(
            path.name, [problem], hint="scaffold certificate writes one, of a project"
        ) from error
    return text, statement


def check_certificate(
    text: str, statement: Mapping[str, Any], project: Project | None
) -> list[Check]:
    """Check a page by itself, and against the project that it speaks of, if there is one.

    Raises:
        ScaffoldError: the project's recipe cannot be read.
    """
    checks = [_check_page(text, statement)]
    if project is None:
        nothing = "there is no project here to compare it with: type this in a clone of its own"
        return [*checks, Check("statement", None, nothing)]
    try:
        evidence = read_evidence(project)
    except BrokenFileError as error:
        return [*checks, Check("statement", False, error.message)]
    if evidence is None:
        return [*checks, Check("statement", False, "this project has no evidence")]
    fresh = json.loads(json.dumps(describe(project, load_recipe(project), evidence)))
    differing = [name for name in _differences(statement, fresh) if name not in _OF_THE_WRITER]
    if differing:
        wrong = f"this project gives another {', '.join(differing)}"
        return [*checks, Check("statement", False, wrong)]
    alike = Check("statement", True, "is what files and runs here give")
    return [*checks, alike, _check_evidence(project)]


_OF_THE_WRITER = ("predicate.reproduction.tool",)


def _differences(one: Any, other: Any, place: str = "", depth: int = 3) -> list[str]:
    """Return the places where two statements differ, as dotted names."""
    if one == other:
        return []
    if not depth or not isinstance(one, dict) or not isinstance(other, dict):
        return [place]
    inside = f"{place}." if place else ""
    return [
        differing
        for name in sorted(one.keys() | other.keys())
        for differing in _differences(one.get(name), other.get(name), f"{inside}{name}", depth - 1)
    ]


def _check_page(page: str, statement: Mapping[str, Any]) -> Check:
    if make_certificate(statement) == page:
        return Check("page", True, "says what its statement says")
    tool = statement["predicate"]["reproduction"].get("tool")
    other = tool.get("version") if isinstance(tool, dict) else None
    if other != __version__:
        unread = "what it says above its statement could not be checked, and may be anything"
        return Check(
            "page", None, f"{unread}: written by mlloop-new {other}, this is {__version__}"
        )
    return Check("page", False, "was edited: it does not say what its statement says")


def _check_evidence(project: Project) -> Check:
    """Judge the project's runs again, and say who made them."""
    try:
        require_evidence(project)
    except BrokenFileError as error:
        return Check("evidence", False, error.message)
    except ProjectError as error:
        return Check("evidence", None, f"{error.message} ({error.hint})")
    return Check("evidence", True, "its verdict follows from its runs, made or checked here")
