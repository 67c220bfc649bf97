"""Regressions planted into recorded runs of digits-cnn.

NO_DIFFERENCE is said of them no more often than beta.
"""

import json
import random
from pathlib import Path

import pytest

from scaffold.records.judgment import Verdict
from scaffold.rules.change.paired import PairedTest, judge_differences
from scaffold.rules.stats import SampleStats

RECORDS = Path(__file__).parents[2] / "benchmarks" / "records" / "digits-cnn-changes.json"
VALUES = json.loads(RECORDS.read_text())["test_accuracy"]
TRIALS = 400
BETA = 0.05


@pytest.mark.parametrize("planted_sd", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("change", [name for name in VALUES if name != "before"])
def test_never_called_neutral_more_often_than_beta(change, planted_sd):
    seeds = sorted(VALUES["before"].keys() & VALUES[change].keys(), key=int)
    assert len(seeds) == 40
    pairs = [(VALUES["before"][seed], VALUES[change][seed]) for seed in seeds]
    sd = SampleStats.of([before for before, _ in pairs]).sd
    mean = SampleStats.of([after - before for before, after in pairs]).mean
    draw = random.Random(f"{change} {planted_sd}")
    verdicts = []
    for _ in range(TRIALS):
        drawn = draw.choices(pairs, k=28)
        verdict = judge_differences(
            [before for before, _ in drawn],
            [after - mean - planted_sd * sd for _, after in drawn],
            PairedTest(higher_is_better=True, margin=0.5 * sd, alpha=0.05, beta=BETA, max_pairs=28),
        ).verdict
        verdicts.append(verdict)
    three_errors = 3 * (BETA * (1 - BETA) / TRIALS) ** 0.5
    assert verdicts.count(Verdict.NO_DIFFERENCE) / TRIALS <= BETA + three_errors
    assert verdicts.count(Verdict.BETTER) / TRIALS <= 0.025 + three_errors
    if planted_sd >= 2:
        assert verdicts.count(Verdict.WORSE) / TRIALS > 0.95
