"""How often the sequential test gives each word, by simulation of normal metrics: the table of docs/verdicts.md.

    python benchmarks/operating_characteristics.py [--projects N]

Each simulated project draws its own calibration runs and then judges up to n_max own runs that are worse by a shift.
"""

import argparse
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from scaffold.records.claim import Rule
from scaffold.records.judgement import Word
from scaffold.rules.reproduction import judge_reproduction
from scaffold.rules.sample import Law

SETTINGS = ((30, 10), (30, 5), (20, 10), (12, 10), (10, 10))
SHIFTS_SD = (0.0, 1.0, 2.0, 3.0)


def simulate(runs: int, seeds: int, shift_sd: float, projects: int) -> str:
    """One cell: percent REPRODUCED / NOT_REPRODUCED / INCONCLUSIVE (mean seeds)."""
    draw = random.Random(f"{runs} {seeds} {shift_sd}")
    rule = Rule(max_seeds=seeds)
    words: Counter[Word] = Counter()
    used = 0
    for _ in range(projects):
        calibration = Law.of([draw.gauss(0, 1) for _ in range(runs)])
        finding = judge_reproduction("m", [draw.gauss(shift_sd, 1) for _ in range(seeds)], 0.0, calibration, rule)
        words[finding.word] += 1
        used += finding.n
    share = [100 * words[word] / projects for word in (Word.REPRODUCED, Word.NOT_REPRODUCED, Word.INCONCLUSIVE)]
    return f"{share[0]:.0f}/{share[1]:.0f}/{share[2]:.0f} ({used / projects:.1f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--projects", type=int, default=2000)
    projects = parser.parse_args().projects
    cells = [(*setting, shift) for setting in SETTINGS for shift in SHIFTS_SD]
    with ProcessPoolExecutor() as pool:
        results = dict(zip(cells, pool.map(simulate, *zip(*cells, strict=True), [projects] * len(cells)), strict=True))
    for runs, seeds in SETTINGS:
        print(f"| {runs}, {seeds} | " + " | ".join(results[runs, seeds, shift] for shift in SHIFTS_SD) + " |")


if __name__ == "__main__":
    main()
