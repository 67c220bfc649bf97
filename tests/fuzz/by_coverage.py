"""Feeds one target with bytes that reach ever more of its code.

`python tests/fuzz/by_coverage.py TARGET [options]`.

Options are libFuzzer's, such as -max_total_time=60. Called by `make fuzz`, which installs atheris.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))
with atheris.instrument_imports(include=["scaffold", "json", "csv", "yaml"]):
    from fuzz.targets import TARGETS

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
