"""`scaffold verify`."""

import sys
from typing import TYPE_CHECKING

import click

from scaffold.cli.arguments import parse_settings
from scaffold.cli.command import EXIT_OF_VERDICT, EXIT_REFUSED, EXIT_UNDECIDED, open_project
from scaffold.cli.command import command as make_command
from scaffold.cli.run_options import RunFlags, run_options, run_session
from scaffold.cli.terminal import paint_for, print_json, width
from scaffold.project.project import Project, load_recipe
from scaffold.records.judgment import ChangeJudgment, Judgment, Verdict
from scaffold.status.cache import current_change, current_judgment, is_tweak_under_way, load_status

if TYPE_CHECKING:
    from scaffold.records.tweak import ChangeEvidence
    from scaffold.running.session import Session


@make_command(
    "verify",
    "Make the missing runs, then judge. While a tweak or rewrite is under way: does it do what one"
    " of its kind must, by pairs of runs with the snapshot before, or by parity checks? Else, or"
    " with --reproduction: does the reference give its published result here? That evidence is"
    " committed.",
)
@click.option(
    "--reproduction", is_flag=True, help="Judge the reference, also while a tweak is under way."
)
@click.option(
    "--ablate",
    "ablated",
    metavar="KEY=VALUE",
    multiple=True,
    help=(
        "Of a tweak: hyperparameters that ablate the change; with them it must equal the snapshot"
        " before."
    ),
)
@click.option(
    "--verbose", is_flag=True, help="Show every metric, its numbers and its rule as well."
)
@click.option(
    "--experiment",
    metavar="NAME",
    help="Of a recipe with several: this one, or `all`. Default: the one the project builds on.",
)
@run_options
def command(
    *,
    reproduction: bool,
    ablated: tuple[str, ...],
    verbose: bool,
    experiment: str | None,
    flags: RunFlags,
) -> int:
    """Show the stored judgment if it still holds, else make a new one."""
    from scaffold.errors import UsageError

    project = open_project("verify")
    if experiment is not None:
        return _verify_experiments(project, experiment, verbose, flags)
    if not reproduction and is_tweak_under_way(project):
        return _verify_tweak(project, ablated, verbose, flags)
    if ablated:
        raise UsageError(
            "--ablate is for a tweak, and none is under way", hint="scaffold tweak start NAME"
        )
    judgment = current_judgment(project)
    if judgment is not None:
        note = "evidence/reproduce.json is up to date: no run was needed"
        _print(project, judgment, note, as_json=flags.as_json, verbose=verbose)
        return EXIT_OF_VERDICT[judgment.verdict]

    from scaffold.reproduce.verify import verify_reproduction

    recipe = load_recipe(project)
    verified = run_session(project, recipe, recipe, flags, verify_reproduction)
    note = "evidence/reproduce.json and environment.lock are committed"
    if verified.is_by_others:
        note = (
            "evidence/reproduce.json was made by others; one seed of it, run here, gives the same"
            " numbers"
        )
    if verified.not_committed:
        note = f"written to evidence/reproduce.json, but not committed: {verified.not_committed}"
    _print(project, verified.judgment, note, as_json=flags.as_json, verbose=verbose)
    return EXIT_OF_VERDICT[verified.judgment.verdict]


def _verify_experiments(project: Project, experiment: str, verbose: bool, flags: RunFlags) -> int:
    """Verify one experiment, or all of them; the exit status is that of the worst."""
    from scaffold.recipes.catalogue import choose_experiment
    from scaffold.reproduce.experiments import (
        experiments_of,
        judged_experiments,
        overall_verdict,
        stored_judgment,
    )
    from scaffold.reproduce.verify import verify_reproduction
    from scaffold.views.reproduction import format_experiments, format_judgment

    recipe = load_recipe(project)
    if experiment != "all":
        choose_experiment(recipe, experiment)
    answers = []
    for place, own in experiments_of(project, recipe):
        if experiment not in ("all", own.experiment):
            continue
        judgment = stored_judgment(place, own)
        if judgment is None:
            judgment = run_session(place, own, own, flags, verify_reproduction).judgment
        answers.append((str(own.experiment), judgment))
        if not flags.as_json:
            click.echo(f"  Experiment {own.experiment}")
            paint = paint_for(sys.stdout)
            click.echo(format_judgment(judgment, width(), paint, verbose=verbose))
    overall = overall_verdict([judgment.verdict for _, judgment in answers])
    if flags.as_json:
        listed = [
            {"name": name, **judgment.as_mapping(), "reason": judgment.reason}
            for name, judgment in answers
        ]
        print_json("experiments", {"verdict": overall.value, "experiments": listed})
    elif experiment == "all":
        judged = judged_experiments(project, recipe)
        click.echo(format_experiments(judged, overall, width(), paint_for(sys.stdout)))
    return EXIT_OF_VERDICT[overall]


def _verify_tweak(
    project: Project, ablated: tuple[str, ...], verbose: bool, flags: RunFlags
) -> int:
    from scaffold.errors import UsageError
    from scaffold.project.project import load_yaml
    from scaffold.records.system import System
    from scaffold.rewrite.verify import verify_rewrite
    from scaffold.tweak.store import find_tweak
    from scaffold.tweak.verify import verify_change

    tweak = find_tweak(project)
    assert tweak is not None, "status said that one is under way"
    if ablated and tweak.kind == "rewrite":
        raise UsageError("--ablate is for a tweak: a rewrite replaces what it rewrites")
    evidence = None if ablated else current_change(project, tweak)
    note = f"evidence/{tweak.milestone}.json is up to date: no run was needed"
    if evidence is None:
        recipe, system = load_recipe(project), load_yaml(System, project.system)
        off = parse_settings("--ablate", ablated)

        def judge(session: "Session") -> "ChangeEvidence":
            if tweak.kind == "rewrite":
                return verify_rewrite(session, tweak)
            return verify_change(session, tweak, off)

        evidence = run_session(project, recipe, system, flags, judge)
        note = f"evidence/{tweak.milestone}.json is written; accept or drop commits it"
    judgment = ChangeJudgment.from_mapping(evidence.judgment)
    _print_change(project, evidence, note, as_json=flags.as_json, verbose=verbose)
    if judgment.verdict in (Verdict.UNDECIDED, Verdict.INCONCLUSIVE):
        return EXIT_UNDECIDED
    return EXIT_REFUSED if judgment.refusal else 0


def _print_change(
    project: Project, evidence: "ChangeEvidence", note: str, *, as_json: bool, verbose: bool
) -> None:
    judgment = ChangeJudgment.from_mapping(evidence.judgment)
    if as_json:
        differences = [difference.model_dump(mode="json") for difference in evidence.differences]
        details = {
            "tweak": evidence.tweak.name,
            "margin": evidence.tweak.rule.margin,
            "differences": differences,
            "checks": list(evidence.checks),
            "cost_s": evidence.cost_s,
            "note": note,
        }
        mapping = judgment.as_mapping()
        mapping["findings"] = [
            {**mapping_of_finding, "effect": finding.effect}
            for mapping_of_finding, finding in zip(
                mapping["findings"], judgment.findings, strict=True
            )
        ]
        mapping["tweak_kind"] = mapping.pop("kind")
        print_json("change", {**mapping, "reason": judgment.reason, **details})
        return
    from scaffold.views.change import format_change
    from scaffold.views.status import format_next

    paint = paint_for(sys.stdout)
    if evidence.tweak.kind == "rewrite":
        from scaffold.rules.parity.checks import CheckResult
        from scaffold.views.parity import format_rewrite

        checks = [CheckResult.from_mapping(check) for check in evidence.checks]
        click.echo(format_rewrite(checks, judgment, width(), paint, verbose=verbose))
        click.echo(f"  {note}\n{format_next(load_status(project), width(), paint)}")
        return
    click.echo(format_change(evidence.differences, judgment, width(), paint, verbose=verbose))
    click.echo(f"  {note}\n{format_next(load_status(project), width(), paint)}")


def _print(
    project: Project, judgment: Judgment, note: str, *, as_json: bool, verbose: bool
) -> None:
    if as_json:
        print_json(
            "reproduction", {**judgment.as_mapping(), "reason": judgment.reason, "note": note}
        )
        return
    from scaffold.views.reproduction import format_judgment
    from scaffold.views.status import format_next

    paint = paint_for(sys.stdout)
    click.echo(format_judgment(judgment, width(), paint, verbose=verbose))
    click.echo(f"  {note}\n{format_next(load_status(project), width(), paint)}")
