"""Find what a source publishes of its own results: in tables and in sentences.

No claims: badges, other people's rows and columns, speed, templates. A spread is one only where the
text says of what.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from scaffold.authoring.drafting.documents import Code, Document, Line, Prose, Table
from scaffold.authoring.drafting.metric_words import (
    ACCURACY,
    SPEED,
    MetricWord,
    find_metric,
    find_split,
)
from scaffold.authoring.drafting.published_numbers import (
    NUMBER,
    PublishedNumber,
    is_free,
    read_number,
)
from scaffold.authoring.drafting.source_files import SourceFiles

_OTHERS = re.compile(
    r"paper|published|original|official|reported|author'?s|baseline|previous|their|prior|sota"
    r"|state[- ]of[- ]the[- ]art|reference|expected|et al\.?|\bcited?\b",
    re.IGNORECASE,
)
_OURS = re.compile(
    r"\bours?\b|this (?:\w+ )?(?:repo|implementation|code|work)|\bour\b|reproduc|re-?implement"
    r"|obtained|here\b"
    r"|\bmine\b|\bbest\b",
    re.IGNORECASE,
)
_TOP_5 = re.compile(r"top[-_ ]?5|@5", re.IGNORECASE)
_RESULTS = re.compile(
    r"result|performance|benchmark|accurac|experiment|evaluation|score", re.IGNORECASE
)
_NO_CLAIM = re.compile(
    r"!\[|shields\.io|badge|should (?:be|get)|at least python|version|arxiv|license"
    r"|\bcite\b|@\w+\{",
    re.IGNORECASE,
)


def find_claims(files: SourceFiles, documents: Iterable[Document]) -> list[PublishedNumber]:
    """Return published numbers, the likeliest headline first."""
    numbers: list[PublishedNumber] = []
    for order, document in enumerate(documents):
        depth = document.path.count("/")
        for table in document.tables:
            is_own = _is_own_table(table, document.tables)
            names = f"{files.name} {document.title}"
            of_table = _of_table(files, table, (is_own, names), 10 * order + 100 * depth)
            numbers += sorted(of_table, key=lambda number: not number.is_bold)
        for prose in document.prose:
            numbers += _of_prose(files, prose, 10 * order + 100 * depth)
        for code in document.codes:
            numbers += _of_output(files, code, 10 * order + 100 * depth)
    return sorted(numbers, key=lambda number: number.rank)


_NOT_OWN = 50
"""Rank of what others published, behind what is the source's own."""


def _is_own_table(table: Table, tables: Sequence[Table]) -> bool:
    """Return whether a table is the source's: of several with one head the one that says so."""
    same_head = [one for one in tables if _joined_heads(one) == _joined_heads(table)]
    marked = [one for one in same_head if _OURS.search(_last_words(one))]
    return not marked or table in marked


def _last_words(table: Table) -> str:
    """Return the end of what stands before a table: its caption."""
    return table.lead[-_MOST_DISTANCE:]


def _of_table(
    files: SourceFiles, table: Table, own: tuple[bool, str], rank: int
) -> Iterator[PublishedNumber]:
    """Yield the numbers of a table; `own` is whether it is the source's, and the source's names."""
    is_own_table, names = own
    heads = _joined_heads(table)
    caption = " ".join([*table.section[-1:], table.lead])
    of_caption = find_metric(caption)
    row_labels = [row[0].text if row else "" for row in table.rows]
    is_headed = any(find_metric(head) for head in heads[1:])
    own_rows = _own(row_labels, names)
    own_columns = _own(heads[1:], names)
    for index, row in enumerate(table.rows):
        label = row[0].text if row else ""
        for column, cell in enumerate(row[1:], start=1):
            head = heads[column] if column < len(heads) else ""
            if not re.search(r"\d", cell.text):
                continue
            metric = find_metric(cell.text) or find_metric(head)
            if metric is None and _SETTING.fullmatch(head.strip()):
                continue
            if metric is None and not is_headed:
                metric = find_metric(label) or of_caption
            is_named = metric is not None
            is_share = "%" in cell.text + head and _RESULTS.search(head + caption)
            if not is_named and (
                is_share or _is_of_classes(f"{caption} {head}", column - 1 in own_columns)
            ):
                metric = ACCURACY
            if metric is None or _is_speed(cell.text, head, label):
                continue
            text = _after_metric(cell.text, metric)
            match = NUMBER.search(text)
            if not match or not is_free(text, match):
                continue
            is_own = (
                is_own_table
                and (not own_rows or index in own_rows)
                and (not own_columns or column - 1 in own_columns)
            )
            is_own = (
                is_own
                and not _OTHERS.search(label)
                and not (_OTHERS.search(head) and not _OURS.search(head))
            )
            others = tuple(
                other.text
                for place, other in enumerate(row)
                if place != column and not _is_number(other.text)
            )
            place = files.cite(table.path, cell.number)
            yield replace(
                read_number(place, metric, match, " ".join([head, caption])),
                labels=(*others, head, *table.section[-1:], cell.text),
                is_own=is_own,
                is_named=is_named,
                rank=rank
                + (0 if is_own else _NOT_OWN)
                + (0 if _RESULTS.search(caption) else 2)
                + (3 if _TOP_5.search(head) else 0)
                + (1 if find_split(head) in ("validation", "train") else 0)
                + (1 if _CROSS_VALIDATED.search(head) else 0),
                is_bold=cell.is_bold or row[0].is_bold,
            )


_SETTING = re.compile(
    r"(#|no\.?|num\.?|number of)?\s*(depth|width|length|layers?|heads?|hidden|rank|horizon|window"
    r"|lags?|trees|iter(ation)?s|dims?|k|n|alpha|beta|gamma|lambda|tau|temperature|ratio|version)",
    re.IGNORECASE,
)
"""Head of a column that says how something was trained: no metric that a caption names."""


def _is_of_classes(caption: str, is_marked: bool) -> bool:
    """Return whether a column that is marked as the source's own is of a classification."""
    is_one = re.search(
        r"classification|(image|object|face|action|digit|character)s? recognition", caption, re.I
    )
    return is_marked and bool(is_one) and not re.search(r"\b(error|err|wer|cer)\b", caption, re.I)


def _joined_heads(table: Table) -> list[str]:
    """Return one head per column; heads of several lines are joined."""
    rows = [list(row) for row in table.head]
    width = max((len(row) for row in [*rows, *map(list, table.rows)]), default=0)
    return [
        " ".join(dict.fromkeys(row[column].text for row in rows if column < len(row)))
        for column in range(width)
    ]


def _own(labels: Sequence[str], name: str) -> set[int]:
    """Return which of several labels mark what is this source's own; none if none does."""
    marked = {index for index, label in enumerate(labels) if _OURS.search(label)}
    if marked:
        return marked
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    same = {
        index
        for index, label in enumerate(labels)
        if len(short := re.sub(r"[^a-z0-9]", "", label.lower())) > 2 and short in plain
    }
    return same if len(same) < len(labels) else set()


def _is_speed(cell: str, head: str, label: str) -> bool:
    if find_metric(cell):
        return False
    if re.search(r"\d\s*(s|ms|sec|seconds|min|h|hours|MB|GB|M|K|fps)\s*$", cell):
        return True
    texts = (head, label) if not find_metric(head) else (head,)
    return any(SPEED.search(text) and not find_metric(text) for text in texts)


def _after_metric(text: str, metric: MetricWord) -> str:
    """Return what follows a metric's name in a cell, since names have digits of their own."""
    numbers = metric.pattern.search(text)
    following = text[numbers.end() :] if numbers else text
    return following if re.search(r"\d", following) else text


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[\s\d.,%±+\-/()eE*~<>]*", text))


_MOST_DISTANCE = 40
"""Characters between a metric's name and its number in a sentence."""


_SAYS_RESULT = re.compile(
    r"achiev|get|reach|obtain|result|report|give|yield|score|perform|accurac|test|%|gain|loss|attain"
    r"|around|about|~",
    re.IGNORECASE,
)
_CROSS_VALIDATED = re.compile(r"\b(cv|cross[- ]?val\w*|folds?)\b", re.IGNORECASE)
_SHARE_OF_DATA = re.compile(
    r"\s*(held[- ]?out|for (testing|validation|training)"
    r"|of (the |all )?(data|examples|samples|rows))\b",
    re.IGNORECASE,
)
"""What follows a number that says how much was trained or tested on."""
_RANGE = re.compile(r"\s*%?\s*(?:and|to|\u2013|-)\s*(?P<high>\d+(?:\.\d+)?)\s*%?")
_PAIR = re.compile(
    r"[\s`*]*/[\s`*]*(?P<test>\d+(?:\.\d+)?)[\s`*]*\(?(?:val\w*|dev\w*)\s*/\s*test", re.IGNORECASE
)
"""Of two numbers the second is the test's: `61.2 / 58.8 (validation / testing)`."""


def _of_prose(files: SourceFiles, prose: Prose, rank: int) -> Iterator[PublishedNumber]:
    """Yield numbers that stand beside a metric's name in a sentence."""
    for raw in prose.lines:
        line = replace(raw, text=_LINK.sub(lambda link: " " * len(link[0]), raw.text))
        if _NO_CLAIM.search(line.text) or not _SAYS_RESULT.search(line.text):
            continue
        place = files.cite(prose.path, line.number)
        read_up_to = 0
        for match in NUMBER.finditer(line.text):
            metric = _metric_beside(line.text, match)
            is_share = match["percent"] and _SHARE_OF_DATA.match(line.text, match.end())
            if match.start("value") < read_up_to or metric is None or is_share:
                continue
            if match["percent"] and metric.unit != "fraction":
                continue  # 20 % returns are no reward
            before = _clause_before(line.text, match)
            is_own = _is_said_of_own(before)
            number = replace(
                read_number(place, metric, match, line.text),
                labels=(line.text, *prose.section[-1:]),
                section=" ".join(prose.section[-1:]),
                is_own=is_own,
                rank=rank + 5 + (0 if is_own else _NOT_OWN) + (0 if metric.name != "loss" else 1),
            )
            following = line.text[match.end() :]
            pair, ends = _PAIR.match(following), _RANGE.match(following)
            if pair:
                read_up_to = match.end() + pair.end("test")
                yield replace(number, value=float(pair["test"]), labels=("test", *number.labels))
                yield replace(number, labels=("validation", *number.labels), rank=number.rank + 1)
            elif ends and re.search(r"\b(between|from)\s*$", before):
                read_up_to = match.end() + ends.end()
                yield replace(number, high=float(ends["high"]))
            else:
                yield number


_SHOWS_OUTPUT = re.compile(
    r"\b(output|result|log|logs|printed|prints|you (will|should) see)\b", re.I
)
_FINAL = re.compile(r"\b(test|final|best)\b", re.IGNORECASE)
_FINAL_HEAD = re.compile(r"\b(test|final|best)\b.*:\s*$", re.IGNORECASE)


def _of_output(files: SourceFiles, code: Code, rank: int) -> Iterator[PublishedNumber]:
    """Yield the numbers of the last line about a test in what a document shows as its output."""
    if code.language not in ("", "text", "console", "bash", "sh", "shell"):
        return
    yield from _of_session(files, code, rank)
    if not _SHOWS_OUTPUT.search(" ".join([*code.section[-1:], code.lead])):
        return
    # `test result:` may stand above its numbers, or beside them.
    lines = [
        line
        for before, line in zip([None, *code.lines], code.lines, strict=False)
        if find_metric(line.text)
        and (_FINAL.search(line.text) or (before and _FINAL_HEAD.search(before.text)))
    ]
    for line in lines[-1:]:
        yield from _of_output_line(files, code, line, rank)


_PROMPTED = re.compile(
    r"\s*(\([\w.-]+\)\s*)?([\w.-]+@[\w.-]+[:~\w/]*)?(\$|>{1,3})\s+(\w+=\S+\s+)*(python|\./)"
)
_UNDER_WAY = re.compile(
    r"\b(epoch|iter(ation)?|step|batch)\s*[\[#:=]?\s*\d|^\s*\.\.\.", re.IGNORECASE
)


def _of_session(files: SourceFiles, code: Code, rank: int) -> Iterator[PublishedNumber]:
    """Yield the last result below a prompt with a command: what it printed when it had ended."""
    prompts = [place for place, line in enumerate(code.lines) if _PROMPTED.match(line.text)]
    below = code.lines[prompts[0] + 1 :] if len(prompts) == 1 else ()
    if any(_UNDER_WAY.search(line.text) for line in below[-1:]):
        return
    results = [
        line for line in below if find_metric(line.text) and not _UNDER_WAY.search(line.text)
    ]
    for line in results[-1:]:
        for number in _of_output_line(files, code, line, rank):
            if number.metric.name != "loss":
                line_text, *section = number.labels
                labels = (line_text, code.lines[prompts[0]].text, *section)
                yield replace(number, labels=labels)


def _of_output_line(
    files: SourceFiles, code: Code, line: Line, rank: int
) -> Iterator[PublishedNumber]:
    """Yield the numbers of a line that a program printed."""
    for match in NUMBER.finditer(line.text):
        metric = _metric_beside(line.text, match)
        if metric is not None:
            yield replace(
                read_number(files.cite(code.path, line.number), metric, match, line.text),
                labels=(line.text, *code.section[-1:]),
                section=" ".join(code.section[-1:]),
                rank=rank + 6,
                is_output=True,
            )


_LINK = re.compile(r"https?://[^\s<>]+")
"""Its digits are no result; it is blanked, so that the places of others stay."""


def _is_said_of_own(words: str) -> bool:
    """Return whether the words before a number do not give it to somebody else.

    The last of them counts: `Paper: 94.0. Ours: 91.3`; a baseline of one's own is none.
    """
    others = [match.start() for match in _OTHERS.finditer(words)]
    ours = [match.start() for match in _OURS.finditer(words)]
    if re.search(r"baseline", words, re.IGNORECASE):
        return False
    return not others or (bool(ours) and ours[-1] > others[-1])


_NO_RESULT = re.compile(
    r"\bchance\b|\brandom\b|\btodo\b|\bgoal\b|\btarget\b|\bshould\b|\bexpect"
    r"|improv\w* by|increase[sd]? by|increasing by"
    r"|\bgains? of|drop\w* (by|of)|threshold",
    re.IGNORECASE,
)
"""Before a number that nobody obtained."""


def _sentence_before(text: str, match: re.Match[str]) -> str:
    """Return the sentence up to a number."""
    return re.split(r"[.;!?]\s", text[: match.start("value")])[-1]


def _clause_before(text: str, match: re.Match[str]) -> str:
    before = text[max(match.start("value") - _MOST_DISTANCE, 0) : match.start("value")]
    return re.split(r"[.;!?]\s", before)[-1]


def _metric_beside(text: str, match: re.Match[str]) -> MetricWord | None:
    """Return the metric that a number in a sentence belongs to; None for another number."""
    if not is_free(text, match) or _NO_RESULT.search(_sentence_before(text, match)):
        return None
    is_range = re.search(r"\bbetween\s*$", text[: match.start("value")])
    if not match["percent"] and "." not in match["value"] and not is_range:
        return None
    after = text[match.end() : match.end() + _MOST_DISTANCE]
    if SPEED.match(after.strip()) or re.match(r"oracle|upper[- ]bound", after.strip()):
        return None
    if re.match(r"(percentage |% )?points?\b", after.strip()):  # a difference
        return None
    clause_after = re.split(r"[,.;:!?)](?:\s|$)", after)[0]
    return find_metric(_clause_before(text, match)) or find_metric(clause_after)
