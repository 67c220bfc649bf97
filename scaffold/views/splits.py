"""Format splits, and what leaks between them."""

from typing import Any

from scaffold.datasets.splits import Checked
from scaffold.records.splits import Seal
from scaffold.rules.splits.leaks import Leak, LeakKind
from scaffold.views.tables import Paint, headline, labelled, plain, table

_FEW = 3
_MEANS = {
    LeakKind.EXACT: "{n:,} of {of:,} rows of {second} are in {first} as well",
    LeakKind.NEAR: "{n:,} of {of:,} rows of {second} lie unusually near to one of {first}",
    LeakKind.GROUP: "{n:,} of {of:,} groups of {second} are in {first} as well: {names}",
    LeakKind.TIME: "{n:,} of {of:,} rows of {second} are later than the first of {first}",
    LeakKind.GIVEAWAY: "column {names} alone tells the label",
}
_MENDS = {
    LeakKind.EXACT: "make the splits with scaffold splits make, which holds equal rows together",
    LeakKind.NEAR: "give near copies one group, and make the splits with --group",
    LeakKind.GROUP: "make the splits with --group, and without --time, which divides groups",
    LeakKind.TIME: "make the splits with --time",
    LeakKind.GIVEAWAY: "take the column out, if it is not known before the label is",
}


def leak_text(leak: Leak) -> str:
    """Return a finding as a sentence."""
    return _MEANS[leak.kind].format(
        n=leak.n, of=leak.of, first=leak.first, second=leak.second, names=plain(leak.names)
    )


def checked_answer(checked: Checked, seal: Seal | None) -> dict[str, Any]:
    """Return what `--json` prints of splits."""
    return {
        "is_alarm": checked.is_alarm,
        "n": {name: len(rows) for name, rows in checked.rows.items()},
        "drawn": checked.splits.drawn if checked.splits is not None else None,
        "problems": list(checked.problems),
        "leaks": [
            {
                "kind": leak.kind.value,
                "first": leak.first,
                "second": leak.second,
                "n": leak.n,
                "of": leak.of,
                "column": leak.names if leak.kind is LeakKind.GIVEAWAY else None,
                "rows": [[checked.ids[one] for one in pair] for pair in leak.rows],
                "is_alarm": leak.is_alarm,
                "text": leak_text(leak),
            }
            for leak in checked.leaks
        ],
        "near_by": checked.near_by,
        "test_reads": len(seal.reads) if seal is not None else None,
    }


def format_checked(
    checked: Checked, seal: Seal | None, folder: str, width: int, paint: Paint
) -> str:
    """Format the sizes of the splits and what leaks, what must be mended first."""
    word, color = ("LEAKS", "red") if checked.is_alarm else ("CLEAN", "green")
    text = (
        "what the splits say of new data cannot be believed"
        if checked.is_alarm
        else "nothing that was looked for leaks between the splits"
    )
    total = sum(map(len, checked.rows.values()))
    rows = [
        (name, f"{len(members):,}", f"{100 * len(members) / max(total, 1):.1f} %")
        for name, members in checked.rows.items()
    ]
    lines = [*headline(word, text, width, lambda text: paint(text, color)), ""]
    lines += table(("split", "n", "share"), rows, width, lambda _, text: text)
    lines.append("")
    if checked.splits is not None:
        lines += labelled("Drawn", f"{checked.splits.drawn}, lists in {folder}/", width)
    if seal is not None:
        times = f"{len(seal.reads)} times" if len(seal.reads) != 1 else "once"
        reads = f"test since {seal.at}, read {times}"
        lines += labelled("Sealed", reads, width)
    for problem in checked.problems:
        lines += labelled("Broken", plain(problem), width)
    for leak in checked.leaks:
        label = "Leak" if leak.is_alarm else "Chance"
        may = "" if leak.is_alarm else "; rows as plain as these may be equal by chance"
        lines += labelled(label, leak_text(leak) + may, width)
        pairs = [
            " = ".join(plain(checked.ids[one]) for one in dict.fromkeys(pair))
            for pair in leak.rows[:_FEW]
        ]
        if pairs:
            dots = " ..." if len(leak.rows) > _FEW else ""
            lines += labelled("", f"rows {', '.join(pairs)}{dots}", width)
        if leak.is_alarm:
            lines += labelled("Mend", _MENDS[leak.kind], width)
    return "\n".join([*lines, *labelled("Near by", checked.near_by, width)])
