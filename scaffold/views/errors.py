"""Format sheets of wrong examples, and what a person made of them."""

from collections.abc import Sequence
from typing import Any

from scaffold.probes.error_sheet import ReadSheet, WrittenSheet
from scaffold.rules.loop.tally import TagShare
from scaffold.views.tables import Paint, labelled, number, plain, table

MOST_TAGS = 12


def written_answer(written: WrittenSheet) -> dict[str, Any]:
    """Return what `--json` prints of a sheet."""
    examples = written.sheet.examples
    return {
        "path": str(written.path),
        "split": written.sheet.split,
        "n": written.sheet.n,
        "error": written.sheet.error,
        "drawn": sum(example.draws > 0 for example in examples),
        "suspects": sum(example.suspect for example in examples),
        "problem": written.problem,
    }


def format_written(written: WrittenSheet, folder: str, width: int) -> str:
    """Format what was drawn, and what to do with it; `folder` as it was typed, or empty."""
    sheet = written.sheet
    drawn = sum(example.draws > 0 for example in sheet.examples)
    suspects = sum(example.suspect for example in sheet.examples)
    if sheet.of_classes:
        share = f"{drawn} of {round(sheet.error * sheet.n):,} wrong examples of {sheet.split}"
    else:
        share = f"{drawn} examples of {sheet.split}, drawn in proportion to their squared error"
    doubted = "" if written.problem else f"; {suspects} with a label that the model doubts"
    lines = labelled("Sheet", f"{written.path}: {share}{doubted}", width)
    if written.problem:
        lines += labelled("Without", f"suspicious labels: {plain(written.problem)}", width)
    lines += labelled(
        "Look",
        "from the top: fill in tags (blurry; two digits), and correct_label where the label is"
        " wrong. Whoever stops half-way has looked at a fair sample of the errors.",
        width,
    )
    return "\n".join([*lines, *labelled("Next", f"scaffold errors tally {folder}".strip(), width)])


def tally_answer(sheets: Sequence[ReadSheet]) -> dict[str, Any]:
    """Return what `--json` prints of the sheets."""
    return {
        "sheets": [
            {
                "split": read.sheet.split,
                "error": read.sheet.error,
                "examples": len(read.sheet.examples),
                "reviewed": read.reviewed,
                "tags": [_tag_answer(share) for share in read.shares],
                "suspects_reviewed": read.suspects_reviewed,
                "suspects_wrong": read.suspects_wrong,
                "corrections": dict(read.corrections),
            }
            for read in sheets
        ]
    }


def _tag_answer(share: TagShare) -> dict[str, Any]:
    return {
        "tag": share.tag,
        "draws": share.draws,
        "share": share.share,
        "interval": list(share.interval),
        "ceiling": share.ceiling,
        "ceiling_interval": list(share.ceiling_interval),
    }


def format_tally(
    sheets: Sequence[ReadSheet], matters: float | None, folder: str, width: int, paint: Paint
) -> str:
    """Format the share of each tag, and the most that mending it can gain."""
    blocks = [_sheet_lines(read, matters, width, paint) for read in sheets]
    corrected = sum(len(read.corrections) for read in sheets)
    if corrected:
        command = f"scaffold errors correct DATA {folder}".strip()
        labels = "1 label" if corrected == 1 else f"{corrected} labels"
        blocks.append(labelled("Next", f"{command} -o CORRECTED   # {labels}", width))
    elif not any(read.reviewed for read in sheets):
        names = ", ".join(f"{folder or 'errors'}/{read.sheet.split}.csv" for read in sheets)
        blocks.append(labelled("Next", f"fill in tags or correct_label of {names}", width))
    elif any(read.shares for read in sheets):
        blocks.append(labelled("Next", "scaffold tweak start NAME", width))
    return "\n\n".join("\n".join(block) for block in blocks)


def _sheet_lines(read: ReadSheet, matters: float | None, width: int, paint: Paint) -> list[str]:
    sheet = read.sheet
    name = f"{sheet.split}: error {number(sheet.error)} of {sheet.n:,} examples"
    looked = f"{read.reviewed} of {len(sheet.examples)} rows looked at"
    lines = [f"  {paint(name, 'bold')}, {looked}"]
    if read.shares:
        rows = [tag_cells(share, matters) for share in read.shares[:MOST_TAGS]]
        head = ("tag", "drawn", "share", "95 %", "gains at most", "95 %", "")
        lines += ["", *table(head, rows, width, lambda _, text: text), ""]
    if len(read.shares) > MOST_TAGS:
        lines += labelled("And", f"{len(read.shares) - MOST_TAGS} rarer tags: --json", width)
    if read.suspects_reviewed:
        wrong = f"{read.suspects_wrong} of {read.suspects_reviewed} were wrong"
        lines += labelled("Suspects", f"of the labels that the model doubts, {wrong}", width)
    return lines


def tag_cells(share: TagShare, matters: float | None) -> tuple[str, ...]:
    """Return a tag, its draws, its share and ceiling with intervals, and whether it is small."""
    low, high = share.interval
    least, most = share.ceiling_interval
    is_small = matters is not None and most < matters
    return (
        plain(share.tag),
        str(share.draws),
        f"{100 * share.share:.0f} %",
        f"{100 * low:.0f} to {100 * high:.0f} %",
        number(share.ceiling),
        f"{least:.3g} to {most:.3g}",
        f"less than the {matters:g} that matters" if is_small else "",
    )
