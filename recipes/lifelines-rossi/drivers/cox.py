"""Fit the Cox model of the documentation and print its summary.

    python cox.py [--formula FORMULA]
"""

import argparse
import sys

sys.path.insert(0, ".")

from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi

parser = argparse.ArgumentParser()
parser.add_argument("--formula", default="", help="right side; all columns if empty")
arguments = parser.parse_args()

rossi = load_rossi()
cph = CoxPHFitter()
cph.fit(rossi, duration_col="week", event_col="arrest", formula=arguments.formula or None)
cph.print_summary(style="ascii")
