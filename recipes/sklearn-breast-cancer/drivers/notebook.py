"""Run some cells of a notebook, with the data that lie beside it.

    python notebook.py NOTEBOOK CELL [CELL ...]

Cells are numbered from 0, texts among them. Lines of IPython alone are left out.
"""

import json
import os
import sys
from pathlib import Path

import pandas

notebook = Path(sys.argv[1]).resolve()
os.chdir(notebook.parent)
read_csv = pandas.read_csv


def read_beside(source: str, *arguments: object, **options: object) -> pandas.DataFrame:
    return read_csv(source.rsplit("/", 1)[-1], *arguments, **options)


pandas.read_csv = read_beside
names: dict[str, object] = {"__name__": "__main__"}
cells = json.loads(notebook.read_text())["cells"]
for number in map(int, sys.argv[2:]):
    lines = [line for line in cells[number]["source"] if not line.startswith("%")]
    exec(compile("".join(lines), f"{notebook.name}, cell {number}", "exec"), names)
