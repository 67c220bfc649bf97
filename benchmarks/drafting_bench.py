"""How much of a repository the drafter reads right: public repositories, field by field.

    python benchmarks/drafting_bench.py             the table
    python benchmarks/drafting_bench.py NAME ...    every field of these that is not right

`drafting/OWNER+NAME.yaml` says what is true of a repository at a revision. Each was written by
reading it, by someone who had not seen the drafter, before the drafter read it. Needs a network at
first; nothing of the repositories is run.

A field is right, wrong (another value, or a value where there is none), or missing (unknown, or one
of several candidates). A place is right if one of a right value's citations is one of the true
places. Not compared: a seed's value, which a recipe replaces; options that another command, of
those that are right as well, gives itself.
"""

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from scaffold.authoring.drafting.draft import make_draft
from scaffold.authoring.drafting.reading import Draft
from scaffold.authoring.drafting.recipe_text import open_questions
from scaffold.authoring.drafting.source_files import read_git
from scaffold.records.draft import Citation, FieldAnswer, FieldStatus, Sources, unknown

TRUTHS = Path(__file__).with_name("drafting")
_NEAR_LINES = 4
"""A citation so near to a true place names the same statement: a call may take several lines."""

Same = Callable[[Any, Any], bool]
_NOTHING = unknown("")


class Mark(str, Enum):
    """How a drafted field compares with the truth."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of one repository. `is_place_right` is None where there is no place to compare."""

    name: str
    mark: Mark
    drafted: Any
    expected: Any
    is_place_right: bool | None = None

    @property
    def kind(self) -> str:
        """Return the field without the name of a hyperparameter."""
        return self.name.partition(" ")[0]


def score(truth: Mapping[str, Any], draft: Draft) -> Iterator[Field]:
    """Compare a draft with the truth, field by field."""
    answers = draft.answers
    command = _stated_command(answers)
    yield compare("license", truth["license"], answers.get("reference.license"), _same_text)
    yield compare("python", truth["python"], answers.get("environment.python"), _same_python)
    yield compare("packages", truth["packages"], answers.get("environment.packages"), _always)
    yield compare("command", truth["command"], command, _same_command)
    yield from _hyperparameters(truth, draft, command)
    yield _seeds(truth["seeds"], answers.get("seeds.how", _NOTHING))
    yield compare("device", truth["device"], answers.get("resources.device"), _same_text)
    yield _metric(truth["metric"], answers)
    yield compare("claim", truth["claim"], _claim(answers), _same_number)
    yield _data(truth["data"], answers)


def compare(name: str, truth: Mapping[str, Any], answer: FieldAnswer | None, same: Same) -> Field:
    """Compare one answer; `also_right` are more right values, None that there may be none."""
    answer = answer or _NOTHING
    right_values = [truth.get("value"), *truth.get("also_right", ())]
    is_none = truth["answer"] in ("none", "unknown")
    mark, drafted, is_place = Mark.MISSING, answer.value, None
    if answer.status in (FieldStatus.UNKNOWN, FieldStatus.NONE):
        mark = Mark.RIGHT if is_none or None in right_values[1:] else Mark.MISSING
    elif name == "packages":
        mark = Mark.RIGHT if _same_packages(answer.value, truth) else Mark.WRONG
    else:
        # Of a contradiction the first is what the program does: it goes into the recipe.
        is_open = answer.status is FieldStatus.CONTRADICTORY
        drafted = answer.candidates[0].value if is_open else answer.value
        is_right = any(same(drafted, value) for value in right_values if value is not None)
        mark = Mark.RIGHT if is_right else Mark.MISSING if is_open else Mark.WRONG
    if mark is Mark.RIGHT and answer.status is FieldStatus.VALUE:
        is_place = _is_place_right(answer.citations, truth.get("places", ()))
    return Field(
        name=name, mark=mark, drafted=drafted, expected=right_values, is_place_right=is_place
    )


def _is_place_right(citations: Sequence[Citation], places: Sequence[str]) -> bool | None:
    if not citations or not places:
        return None
    return any(
        citation.path == path and abs(citation.line - int(line)) <= _NEAR_LINES
        for path, _, line in (place.rpartition(":") for place in places)
        for citation in citations
    )


def _always(drafted: Any, expected: Any) -> bool:
    del drafted, expected
    return True


def _same_text(drafted: Any, expected: Any) -> bool:
    return str(drafted).casefold() == str(expected).casefold()


def _same_python(drafted: Any, expected: Any) -> bool:
    versions = [re.findall(r"\d+(?:\.\d+)?", str(text))[:1] for text in (drafted, expected)]
    return versions[0] == versions[1]


def _same_number(drafted: Any, expected: Any) -> bool:
    """Compare in percent or as a fraction, and an accuracy with an error rate."""
    value = float(drafted)
    forms = (value, 100 * value, value / 100, 100 - value, 1 - value)
    numbers = [float(text) for text in re.findall(r"[-+]?\d+(?:\.\d+)?", str(expected))]
    return any(abs(form - number) < 1e-9 for form in forms for number in numbers)


def _same_command(drafted: Any, expected: Any) -> bool:
    return _words_of(drafted) == _words_of(expected)


def _words_of(command: Any) -> list[str]:
    text = re.sub(r"[\"']", "", str(command))
    words = re.split(r"[\s=]+", re.sub(r"\bpython\d?(\.\d+)?\b", "python", text).strip())
    return [word.removeprefix("./") for word in words if word != "-u"]


def _same_value(drafted: Any, expected: Any) -> bool:
    try:
        return abs(float(drafted) - float(expected)) <= 1e-9 * max(1.0, abs(float(expected)))
    except (TypeError, ValueError):
        texts = [re.sub(r"[\s'\"()\[\]]", "", str(text)) for text in (drafted, expected)]
        return texts[0].casefold() == texts[1].casefold()


def _same_packages(drafted: Sequence[str], truth: Mapping[str, Any]) -> bool:
    names = {_distribution(name) for name in drafted}
    needed = {_distribution(name) for name in truth.get("value") or ()}
    optional = {_distribution(name) for name in truth.get("optional") or ()}
    return needed <= names | optional and names <= needed | optional


def _distribution(requirement: str) -> str:
    name = re.split(r"[<>=!~\[; @]", requirement)[0].lower().replace("_", "-")
    other_names = {"pytorch": "torch", "sklearn": "scikit-learn", "tensorflow-gpu": "tensorflow"}
    return other_names.get(name, name)


def _stated_command(answers: Mapping[str, FieldAnswer]) -> FieldAnswer | None:
    answer = answers.get("commands.train.run")
    stated = re.search(r"as it is stated: (.*)", answer.note) if answer else None
    return answer.model_copy(update={"value": stated[1]}) if answer and stated else answer


def _claim(answers: Mapping[str, FieldAnswer]) -> FieldAnswer | None:
    answer = answers.get("claims.0") or answers.get("claims")
    if answer is None or answer.status is not FieldStatus.VALUE:
        return answer
    claim = answer.value
    number = claim.get("value", claim.get("at_least", claim.get("at_most")))
    return answer.model_copy(update={"value": number})


def _hyperparameters(
    truth: Mapping[str, Any], draft: Draft, command: FieldAnswer | None
) -> Iterator[Field]:
    text = str(command.value) if command else ""
    is_other = bool(text) and not _same_command(text, truth["command"].get("value"))
    drafted = {
        **{key.removeprefix("hyperparameters."): a for key, a in draft.answers.items()},
        **draft.fixed,
    }
    for name, value in truth["hyperparameters"].items():
        given = re.search(rf"--?{re.escape(name)}(?:[ =]([^-\s]\S*)|(?= -|$))", text)
        if name == "seed" or (is_other and given):
            continue
        answer = next((a for key, a in drafted.items() if _is_named(key, name)), None)
        if is_other and answer is not None and answer in draft.fixed.values():
            continue  # of the other command's configuration
        if answer is None and given and command is not None:
            answer = command.model_copy(update={"value": given[1] or True})
        yield compare(f"hyperparameter {name}", {"answer": "value", **value}, answer, _same_value)


def _is_named(key: str, name: str) -> bool:
    forms = [re.sub(r"\W|_", "", text.lower()) for text in (key, key.rpartition(".")[2])]
    return re.sub(r"\W|_", "", name.lower()) in forms


def _seeds(truth: Mapping[str, Any], answer: FieldAnswer) -> Field:
    how = {"argument": "argument", "fixed": "offset"}.get(str(truth.get("how")), "inject")
    if truth["answer"] in ("none", "unknown") and answer.value == how:
        return Field(name="seeds", mark=Mark.RIGHT, drafted=answer.value, expected=how)
    return compare("seeds", {**truth, "value": how}, answer, _same_text)


def _metric(truth: Mapping[str, Any], answers: Mapping[str, FieldAnswer]) -> Field:
    metrics = [a for k, a in answers.items() if re.fullmatch(r"metrics\.\d+", k) and a.value]
    citations = [citation for answer in metrics for citation in answer.citations]
    is_none = truth["answer"] in ("none", "unknown")
    mark = Mark.RIGHT if is_none else Mark.MISSING
    if metrics:
        is_right = not is_none and _is_place_right(citations, truth.get("places", ()))
        mark = Mark.RIGHT if is_right else Mark.WRONG
    return Field(
        name="metric",
        mark=mark,
        drafted=[(answer.value["name"], *map(str, answer.citations[:1])) for answer in metrics],
        expected=(truth.get("name"), truth.get("places")),
    )


def _data(truth: Mapping[str, Any], answers: Mapping[str, FieldAnswer]) -> Field:
    found = [a for k, a in answers.items() if re.fullmatch(r"datasets\.\d+", k) and a.value]
    if not found:
        return compare("data", truth, answers.get("datasets"), _same_text)
    names = [_plain(f"{a.value['name']}{a.value.get('inside', '')}") for a in found]
    wanted = [_plain(str(name)) for name in [*(truth.get("value") or ()), *truth.get("files", ())]]
    is_right = any(one in other or other in one for one in names for other in wanted)
    citations = [citation for answer in found for citation in answer.citations]
    return Field(
        name="data",
        mark=Mark.RIGHT if is_right else Mark.WRONG,
        drafted=[answer.value for answer in found],
        expected=(truth.get("value"), truth.get("how")),
        is_place_right=_is_place_right(citations, truth.get("places", ())) if is_right else None,
    )


def _plain(name: str) -> str:
    return re.sub(r"\W|_", "", name.lower())


def main() -> None:
    """Print the table, or what is not right of some repositories."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="parts of names of repositories")
    names = parser.parse_args().names
    fields: list[Field] = []
    asked = []
    for path in sorted(TRUTHS.glob("*.yaml")):
        if names and not any(name in path.stem for name in names):
            continue
        truth = yaml.safe_load(path.read_text(encoding="utf-8"))
        draft = make_draft(read_git(truth["repository"], truth["revision"]))
        of_source = list(score(truth, draft))
        fields += of_source
        sources = Sources(format=1, source=truth["repository"], answers=draft.answers)
        asked.append(len(open_questions(sources)))
        marks = Counter(field.mark for field in of_source)
        counts = " ".join(f"{mark.value} {marks[mark]:3}" for mark in Mark)
        print(f"{path.stem:45} {counts}  questions {asked[-1]}")
        for field in of_source if names else ():
            if field.mark is not Mark.RIGHT or field.is_place_right is False:
                place = " (another place)" if field.is_place_right is False else ""
                print(
                    f"  {field.mark.value:8}{field.name}: {field.drafted} ({field.expected}){place}"
                )
    print_table(fields)
    print(f"questions: {sorted(asked)}")


def print_table(fields: Sequence[Field]) -> None:
    """Print the marks of each kind of field, and of all."""
    print(f"\n{'field':18}" + "".join(f"{mark.value:>9}" for mark in Mark) + "   places right")
    for kind in [*dict.fromkeys(field.kind for field in fields), "all"]:
        of_kind = [field for field in fields if kind in ("all", field.kind)]
        marks = Counter(field.mark for field in of_kind)
        places = [f.is_place_right for f in of_kind if f.is_place_right is not None]
        row = "".join(f"{marks[mark]:9}" for mark in Mark)
        print(f"{kind:18}{row}   {sum(places)} of {len(places)}")
    shares = (
        f"{mark.value} {sum(f.mark is mark for f in fields) / len(fields):.1%}" for mark in Mark
    )
    print(", ".join(shares))


if __name__ == "__main__":
    main()
