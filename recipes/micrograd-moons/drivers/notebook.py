"""Run demo.ipynb up to its training, cell by cell, without what only draws.

    python notebook.py REFERENCE [--steps N]
"""

import argparse
import json
import sys
from pathlib import Path

LAST_CELL = 8  # "optimization"

parser = argparse.ArgumentParser()
parser.add_argument("reference", type=Path)
parser.add_argument("--steps", type=int, default=100)
arguments = parser.parse_args()

sys.path.insert(0, str(arguments.reference))
notebook = arguments.reference / "demo.ipynb"
names: dict[str, object] = {"__name__": "__main__"}
for cell in json.loads(notebook.read_text())["cells"][:LAST_CELL]:
    if cell["cell_type"] != "code":
        continue
    lines = [
        line for line in cell["source"] if not line.lstrip().startswith(("%", "plt.", "import matplotlib"))
    ]
    code = "".join(lines).replace("range(100)", f"range({arguments.steps})").replace("/100", f"/{arguments.steps}")
    exec(compile(code, str(notebook), "exec"), names)
