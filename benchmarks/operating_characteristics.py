"""How often each word is given, by simulation: the tables of docs/verdicts.md.

    python benchmarks/operating_characteristics.py [--projects N]

First the sequential test alone: each simulated project draws its own calibration runs from one
distribution and judges up to n_max own runs that are worse by a shift. The distributions are
normal, skewed (exponential, as losses are) and heavy-tailed (Student's t with 3 degrees of
freedom), each with standard deviation 1. Then whole verdicts of the shipped recipes: own runs are
drawn from normal laws with the means and deviations of the shipped calibration runs, and judged as
`scaffold verify` does, two at a time, with claim, monitored metrics and all.
"""

import argparse
import math
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from scaffold.machine import describe_machine
from scaffold.recipes.catalogue import find_recipe, recipe_ids
from scaffold.records.claim import Rule
from scaffold.records.evidence import EnvironmentUsed, JudgedRun, MetricValue
from scaffold.records.judgment import Verdict
from scaffold.rules.reproduction.judge import is_decided, judge
from scaffold.rules.reproduction.sequential import judge_reproduction
from scaffold.rules.stats import SampleStats

SETTINGS = ((30, 10), (30, 5), (20, 10), (12, 10), (10, 10))
SKEWED = ((30, 10), (20, 10), (10, 10))
SHIFTS_SD = (0.0, 1.0, 2.0, 3.0)
WORDS = (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE)


def _cell(verdicts: Counter[Verdict], used: int, projects: int) -> str:
    shares = "/".join(f"{100 * verdicts[verdict] / projects:.0f}" for verdict in WORDS)
    return f"{shares} ({used / projects:.1f})"


def _normal(draw: random.Random) -> float:
    return draw.gauss(0, 1)


def _exponential(draw: random.Random) -> float:
    return draw.expovariate(1) - 1


def _student(draw: random.Random) -> float:
    # A normal number over the root of a chi-square of 3, its variance of 3 taken out.
    return draw.gauss(0, 1) / math.sqrt(draw.gammavariate(1.5, 2.0) / 3) / math.sqrt(3)


DISTRIBUTIONS = {"normal": _normal, "exponential": _exponential, "Student t, 3": _student}


def sequential(runs: int, seeds: int, shift_sd: float, projects: int, kind: str = "normal") -> str:
    """One cell: percent REPRODUCED / NOT_REPRODUCED / INCONCLUSIVE (mean seeds)."""
    draw = random.Random(f"{runs} {seeds} {shift_sd}")
    value = DISTRIBUTIONS[kind]
    rule = Rule(max_seeds=seeds)
    verdicts: Counter[Verdict] = Counter()
    used = 0
    for _ in range(projects):
        shipped = [value(draw) for _ in range(runs)]
        own = [value(draw) + shift_sd for _ in range(seeds)]
        finding = judge_reproduction("m", SampleStats.of(own), SampleStats.of(shipped), rule)
        verdicts[finding.verdict] += 1
        used += finding.n
    return _cell(verdicts, used, projects)


def whole(key: str, shift_sd: float, projects: int) -> str:
    """The same of whole verdicts; the shift, towards worse, is that of the claimed metric alone."""
    found = find_recipe(key)
    recipe, calibration = found.recipe, found.calibration()
    draw = random.Random(f"{key} {shift_sd}")
    machine, environment = describe_machine(), EnvironmentUsed(python="3", lock="0", reused=True)
    statistics = {
        metric.name: SampleStats.of([run.metrics[metric.name].value for run in calibration.runs])
        for metric in recipe.metrics
    }
    claimed = recipe.metric(recipe.claims[0].metric)
    worse = shift_sd if claimed.direction == "lower" else -shift_sd

    def run(seed: int) -> JudgedRun:
        values = {
            name: MetricValue(
                value=draw.gauss(
                    stats.mean + (worse * stats.sd if name == claimed.name else 0.0), stats.sd
                )
            )
            for name, stats in statistics.items()
        }
        return JudgedRun(
            id=str(seed),
            seed=seed,
            metrics=values,
            wall_time_s=1,
            machine=machine,
            environment=environment,
        )

    verdicts: Counter[Verdict] = Counter()
    used = 0
    for _ in range(projects):
        runs: list[JudgedRun] = []
        while True:
            runs += [run(len(runs)), run(len(runs) + 1)]
            judgment = judge(recipe, runs, calibration)
            if is_decided(judgment, recipe, len(runs)):
                break
        verdicts[judgment.verdict] += 1
        used += len(runs)
    return _cell(verdicts, used, projects)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--projects", type=int, default=2000)
    projects = parser.parse_args().projects
    with ProcessPoolExecutor() as pool:
        tests = {
            (*setting, shift): pool.submit(sequential, *setting, shift, projects)
            for setting in SETTINGS
            for shift in SHIFTS_SD
        }
        skewed = {
            (kind, *setting, shift): pool.submit(sequential, *setting, shift, projects, kind)
            for kind in list(DISTRIBUTIONS)[1:]
            for setting in SKEWED
            for shift in SHIFTS_SD
        }
        verdicts = {
            (key, shift): pool.submit(whole, key, shift, projects // 2)
            for key in recipe_ids()
            for shift in SHIFTS_SD
        }
        for runs, seeds in SETTINGS:
            print(
                f"| {runs}, {seeds} | "
                + " | ".join(tests[runs, seeds, shift].result() for shift in SHIFTS_SD)
                + " |"
            )
        for kind in list(DISTRIBUTIONS)[1:]:
            for runs, seeds in SKEWED:
                cells = " | ".join(skewed[kind, runs, seeds, shift].result() for shift in SHIFTS_SD)
                print(f"| {kind}: {runs}, {seeds} | {cells} |")
        for key in recipe_ids():
            print(
                f"| `{key}` | "
                + " | ".join(verdicts[key, shift].result() for shift in SHIFTS_SD)
                + " |"
            )


if __name__ == "__main__":
    main()
