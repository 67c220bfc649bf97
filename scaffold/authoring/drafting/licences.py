"""Say under which licence a source's code stands, by the text of the licence itself."""

import re
from pathlib import PurePosixPath

from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import Candidate, FieldAnswer, contradictory, none, unknown, value_of

_FILES = r"(un)?licen[cs]e.*|copying.*"
_SAID = re.compile(
    r"(?<![A-Za-z])(?P<id>MIT|Apache(?:[- ]License)?,?(?: Version)?[- ]?2(?:\.0)?"
    r"|BSD[- ][23](?:[- ]Clause)?"
    r"|A?GPL(?:[- ]?v?[23](?:\.0)?)|LGPL(?:[- ]?v?[23](?:\.[01])?)|MPL[- ]2\.0"
    r"|CC[- ]BY(?:[- ](?:NC|SA|ND))*"
    r"[- ]\d\.\d|Unlicense|ISC)(?![A-Za-z])",
    re.IGNORECASE,
)
_SPELLINGS = (
    (r"mit", "MIT"),
    (r"apache.*", "Apache-2.0"),
    (r"bsd.?2.*", "BSD-2-Clause"),
    (r"bsd.?3.*", "BSD-3-Clause"),
    (r"agpl.*3.*", "AGPL-3.0"),
    (r"lgpl.*2.*", "LGPL-2.1"),
    (r"lgpl.*3.*", "LGPL-3.0"),
    (r"gpl.*2.*", "GPL-2.0"),
    (r"gpl.*3.*", "GPL-3.0"),
    (r"mpl.*", "MPL-2.0"),
    (r"isc", "ISC"),
    (r"unlicense", "Unlicense"),
)


def find_licence(files: SourceFiles, folder: str = "") -> FieldAnswer:
    """Return the licence of a folder's code as an SPDX id.

    The licence file nearest to the folder counts; else what README or setup file says.
    """
    from licenseclassifier import identify_license

    for place in _upwards(folder):
        paths = [
            path
            for path in sorted(files.texts)
            if str(PurePosixPath(path).parent) == (place or ".")
            and re.fullmatch(_FILES, PurePosixPath(path).name, re.IGNORECASE)
        ]
        candidates: list[Candidate] = []
        for path in paths:
            text = files.texts[path]
            for match in identify_license(text):
                line = _title_line(files.lines(path), text.count("\n", 0, match.start) + 1)
                candidates.append(Candidate(value=match.id, citations=(files.cite(path, line),)))
        ids = list(dict.fromkeys(str(candidate.value) for candidate in candidates))
        if len(ids) == 1:
            return value_of(ids[0], candidates[0].citations[0])
        if ids:  # such as code and data under different ones
            return contradictory("several licences stand there", *candidates)
        if paths:
            return unknown(
                f"{paths[0]} is no licence text that is known",
                Candidate(value="see its text", citations=(files.cite(paths[0], 1),)),
            )
    return _said_elsewhere(files)


_MOST_TITLE_LINES = 6
"""Above the text of a licence: its name, a blank line, whose it is."""


def _title_line(lines: list[str], line: int) -> int:
    """Return the first line of a file that begins with the licence, else the match's own."""
    first = next(number for number, text in enumerate(lines, start=1) if text.strip())
    return first if line - first < _MOST_TITLE_LINES else line


def _upwards(folder: str) -> list[str]:
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:length]) for length in range(len(parts), -1, -1)]


def _said_elsewhere(files: SourceFiles) -> FieldAnswer:
    """Return what README, setup.py or pyproject.toml say."""
    for path in [*files.readmes()[:1], *files.at_root(r"setup\.(py|cfg)|pyproject\.toml")]:
        for number, line in enumerate(files.lines(path), start=1):
            if not re.search(r"licen[cs]e", line, re.IGNORECASE) and not _after_heading(
                files.lines(path), number
            ):
                continue
            match = _SAID.search(line)
            if match:
                name = next(
                    spdx
                    for pattern, spdx in (*_SPELLINGS, (r".*", match["id"]))
                    if re.fullmatch(pattern, match["id"].lower())
                )
                return value_of(name, files.cite(path, number))
    return none("no licence is stated: nobody but its authors may copy or change it")


def _after_heading(lines: list[str], number: int) -> bool:
    """Return whether the nearest heading above a line is `License`."""
    above = next((text for text in reversed(lines[: number - 1]) if text.startswith("#")), "")
    return bool(re.search(r"licen[cs]e", above, re.IGNORECASE))
