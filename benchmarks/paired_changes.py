"""What pairing by seed saves on digits-cnn, and how often a planted regression is called what.

    python benchmarks/paired_changes.py            from the recorded runs
    python benchmarks/paired_changes.py --record   make those runs anew (200 runs, a quarter of an
        hour on two cores)

The records hold the test accuracy of the system and of four changes to it, each with the same 40
seeds, run as `scaffold verify` runs them: sandboxed, a random stream for each kind of draw.

Seeds for a power of 80 % follow from the noncentral t distribution with the recorded deviations:
paired by that of the differences, unpaired by those of both sides. Planted regressions are recorded
pairs, drawn with replacement, whose mean difference is replaced by the planted one.
"""

import argparse
import json
import math
import random
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from scipy import stats

from scaffold.cli.progress import RunProgress
from scaffold.git.history import project_repository
from scaffold.git.repository import Repository
from scaffold.git.snapshots import snapshot_of_worktree
from scaffold.machine import describe_machine
from scaffold.project.project import Project, load_recipe
from scaffold.recipes.catalogue import find_recipe
from scaffold.records.judgment import Verdict
from scaffold.rules.change.paired import PairedTest, judge_differences
from scaffold.rules.stats import SampleStats
from scaffold.running.preparation import prepare_program
from scaffold.running.seeds import make_runs
from scaffold.running.session import RunOptions, Session
from scaffold.scaffolding.create import create_project
from scaffold.tweak.create_src import begin
from scaffold.tweak.prepare import snapshot_files

RECORDS = Path(__file__).with_name("records") / "digits-cnn-changes.json"
CHANGES = {"epochs": 19, "learning_rate": 0.008, "dropout": 0.3, "width": 18}
SEEDS = range(40)
PLANTED_SD = (0.0, 0.5, 1.0, 2.0, 3.0)
MAX_PAIRS = 28


def record() -> None:
    """Make all runs and write the records."""
    found = find_recipe("digits-cnn")
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder).resolve() / "project")
        create_project(found, project.root, name="changes", settings={})
        recipe = load_recipe(project)
        repository: Repository = project_repository(project.root)
        begin(project, repository, recipe)
        state = snapshot_of_worktree(project)
        values: dict[str, dict[str, float]] = {}
        for name, value in {"before": None, **CHANGES}.items():
            program = state.system if value is None else state.system.with_values({name: value})
            files = replace(snapshot_files(state, f"{name} {value}"), program=program)
            with RunProgress(program) as progress:
                session = Session(project, recipe, progress, RunOptions())
                runs = make_runs(project, prepare_program(session, files), SEEDS, progress)
            key = name if value is None else f"{name}={value}"
            values[key] = {str(run.seed): run.metrics["test_accuracy"].value for run in runs}
    content = {"machine": describe_machine().model_dump(mode="json"), "test_accuracy": values}
    RECORDS.write_text(json.dumps(content, indent=1) + "\n")


def seeds_needed(
    effect: float, sd: float, *, two_samples: bool, alpha: float = 0.05, power: float = 0.8
) -> int:
    """The least n (a side) with which a two-sided t test sees an effect.

    Sd of a difference, or of one side.
    """
    for n in range(2, 10_000):
        df = 2 * n - 2 if two_samples else n - 1
        shift = effect / sd * math.sqrt(n / 2 if two_samples else n)
        bound = stats.t.ppf(1 - alpha / 2, df)
        if stats.nct.sf(bound, df, shift) + stats.nct.cdf(-bound, df, shift) >= power:
            return n
    raise ValueError("out of reach")


def planted(
    pairs: list[tuple[float, float]], shift: float, margin: float, trials: int
) -> Counter[Verdict]:
    """Words given to a change whose true effect is `shift`."""
    draw = random.Random(f"{shift} {margin}")
    mean = SampleStats.of([b - a for a, b in pairs]).mean
    verdicts: Counter[Verdict] = Counter()
    for _ in range(trials):
        drawn = draw.choices(pairs, k=MAX_PAIRS)
        verdicts[
            judge_differences(
                [a for a, _ in drawn],
                [b - mean + shift for _, b in drawn],
                PairedTest(
                    higher_is_better=True, margin=margin, alpha=0.05, beta=0.05, max_pairs=MAX_PAIRS
                ),
            ).verdict
        ] += 1
    return verdicts


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--trials", type=int, default=2000)
    options = parser.parse_args()
    if options.record:
        record()
    values = json.loads(RECORDS.read_text())["test_accuracy"]
    before = SampleStats.of(list(values["before"].values()))
    print(
        f"test accuracy before: mean {before.mean:.4f}, seed sd {before.sd:.4f}, {before.n} seeds\n"
    )
    print(
        "seeds a side for 80 % power at alpha 0.05, to see an effect of one seed sd (and of half of"
        " one)"
    )
    print(f"{'change':22}{'r':>6}{'effect':>10}{'paired':>12}{'unpaired':>12}{'ratio':>8}")
    kept = {}
    for name in list(values)[1:]:
        seeds = sorted(values["before"].keys() & values[name].keys(), key=int)
        pairs = [(values["before"][seed], values[name][seed]) for seed in seeds]
        after, difference = (
            SampleStats.of([b for _, b in pairs]),
            SampleStats.of([b - a for a, b in pairs]),
        )
        pooled = math.sqrt((before.sd**2 + after.sd**2) / 2)
        r = stats.pearsonr(*zip(*pairs, strict=True)).statistic
        counts = []
        for size in (1.0, 0.5):
            paired = seeds_needed(size * before.sd, difference.sd, two_samples=False)
            counts.append((paired, seeds_needed(size * before.sd, pooled, two_samples=True)))
        (p1, u1), (p2, u2) = counts
        paired_text, unpaired_text = f"{p1} ({p2})", f"{u1} ({u2})"
        print(
            f"{name:22}{r:6.2f}{difference.mean:+10.4f}"
            f"{paired_text:>12}{unpaired_text:>12}{p2 / u2:8.2f}"
        )
        kept[name] = pairs
    print(
        "\npercent NO_DIFFERENCE / WORSE / UNDECIDED / BETTER of planted regressions, margin half a"
        " seed sd"
    )
    print(f"{'change':22}" + "".join(f"{f'{size:g} sd':>16}" for size in PLANTED_SD))
    for name, pairs in kept.items():
        cells = []
        for size in PLANTED_SD:
            verdicts = planted(pairs, -size * before.sd, 0.5 * before.sd, options.trials)
            order = (Verdict.NO_DIFFERENCE, Verdict.WORSE, Verdict.UNDECIDED, Verdict.BETTER)
            cells.append(
                "/".join(f"{100 * verdicts[verdict] / options.trials:.0f}" for verdict in order)
            )
        print(f"{name:22}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()
