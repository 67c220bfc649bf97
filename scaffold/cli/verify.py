"""`scaffold verify`."""

import sys
from typing import TYPE_CHECKING

import click

from scaffold.cli.terminal import (
    EXIT_OF_WORD,
    EXIT_REFUSED,
    EXIT_UNDECIDED,
    open_project,
    paint_for,
    parse_settings,
    print_json,
    run_options,
    run_watched,
    width,
)
from scaffold.cli.terminal import command as make_command
from scaffold.project.project import Project
from scaffold.records.judgement import ChangeJudgement, Judgement, Word
from scaffold.status.cache import current_change, current_judgement, is_tweak_under_way, load_status

if TYPE_CHECKING:
    from scaffold.cli.progress import RunProgress
    from scaffold.records.tweak import ChangeEvidence
    from scaffold.running.preparation import RunOptions


@make_command(
    "verify",
    "Run what evidence is missing, then judge. Of a tweak that is under way: whether it does what a"
    " tweak of its kind must, by pairs of runs with the state before. Else, or with --reproduction:"
    " whether the reference gives its published result here; that evidence is committed.",
)
@click.option(
    "--reproduction", is_flag=True, help="Judge the reference, also while a tweak is under way."
)
@click.option(
    "--off",
    "switched_off",
    metavar="KEY=VALUE",
    multiple=True,
    help=(
        "Of a tweak: hyperparameters that switch the change off; with them the state before must be"
        " given again."
    ),
)
@run_options
def command(
    *,
    reproduction: bool,
    switched_off: tuple[str, ...],
    jobs: int | None,
    offline: bool,
    no_sandbox: bool,
    trust: str | None,
    as_json: bool,
) -> int:
    """Show the stored judgement if it still holds, else make a new one."""
    from scaffold.errors import UsageError

    project = open_project("verify")
    if not reproduction and is_tweak_under_way(project):
        return _verify_tweak(
            project,
            switched_off,
            jobs=jobs,
            offline=offline,
            no_sandbox=no_sandbox,
            trust=trust,
            as_json=as_json,
        )
    if switched_off:
        raise UsageError(
            "--off is for a tweak, and none is under way", hint="scaffold tweak start NAME"
        )
    judgement = current_judgement(project)
    if judgement is not None:
        _print(project, judgement, as_json, "evidence/reproduce.json is current: nothing was run")
        return EXIT_OF_WORD[judgement.word]

    from scaffold.project.project import load_recipe
    from scaffold.reproduce.verify import verify_reproduction

    recipe = load_recipe(project)
    verified = run_watched(
        recipe,
        lambda progress, options: verify_reproduction(project, recipe, progress, options),
        jobs=jobs,
        offline=offline,
        no_sandbox=no_sandbox,
        trust=trust,
        as_json=as_json,
    )
    note = "evidence/reproduce.json and environment.lock are committed"
    if verified.is_by_others:
        note = (
            "evidence/reproduce.json was made by others; one seed of it, run here, gives the same"
            " numbers"
        )
    if verified.not_committed:
        note = f"written to evidence/reproduce.json, but not committed: {verified.not_committed}"
    _print(project, verified.judgement, as_json, note)
    return EXIT_OF_WORD[verified.judgement.word]


def _verify_tweak(
    project: Project,
    switched_off: tuple[str, ...],
    *,
    jobs: int | None,
    offline: bool,
    no_sandbox: bool,
    trust: str | None,
    as_json: bool,
) -> int:
    from scaffold.errors import UsageError
    from scaffold.project.project import load_recipe, load_yaml
    from scaffold.records.system import System
    from scaffold.rewrite.verify import verify_rewrite
    from scaffold.tweak.store import find_tweak
    from scaffold.tweak.verify import verify_change

    tweak = find_tweak(project)
    assert tweak is not None, "status said that one is under way"
    if switched_off and tweak.kind == "rewrite":
        raise UsageError("--off is for a tweak: a rewrite replaces what it rewrites")
    evidence = None if switched_off else current_change(project, tweak)
    note = f"evidence/{tweak.milestone}.json is current: nothing was run"
    if evidence is None:
        recipe, system = load_recipe(project), load_yaml(System, project.system)
        off = parse_settings("--off", switched_off)

        def judge(progress: "RunProgress", options: "RunOptions") -> "ChangeEvidence":
            if tweak.kind == "rewrite":
                return verify_rewrite(project, recipe, tweak, progress, options)
            return verify_change(project, recipe, tweak, progress, options, off)

        evidence = run_watched(
            system,
            judge,
            jobs=jobs,
            offline=offline,
            no_sandbox=no_sandbox,
            trust=trust,
            as_json=as_json,
        )
        note = f"evidence/{tweak.milestone}.json is written; accept or drop commits it"
    judgement = ChangeJudgement.from_mapping(evidence.judgement)
    _print_change(project, evidence, judgement, as_json, note)
    if judgement.word in (Word.UNDECIDED, Word.INCONCLUSIVE):
        return EXIT_UNDECIDED
    return EXIT_REFUSED if judgement.refusal else 0


def _print_change(
    project: Project,
    evidence: "ChangeEvidence",
    judgement: ChangeJudgement,
    as_json: bool,
    note: str,
) -> None:
    if as_json:
        parts = [part.model_dump(mode="json") for part in evidence.parts]
        told = {
            "tweak": evidence.tweak.name,
            "margin": evidence.tweak.rule.margin,
            "parts": parts,
            "rungs": list(evidence.rungs),
            "cost_s": evidence.cost_s,
            "note": note,
        }
        mapping = judgement.as_mapping()
        mapping["findings"] = [
            {**found, "effect": finding.effect}
            for found, finding in zip(mapping["findings"], judgement.findings, strict=True)
        ]
        print_json({**mapping, "reason": judgement.reason, **told})
        return
    from scaffold.views.report import format_change, format_next

    paint = paint_for(sys.stdout)
    if evidence.tweak.kind == "rewrite":
        from scaffold.rules.parity.checks import Rung
        from scaffold.views.parity import format_rewrite

        rungs = [Rung.from_mapping(rung) for rung in evidence.rungs]
        click.echo(format_rewrite(rungs, judgement, width(), paint))
        click.echo(f"  {note}\n{format_next(load_status(project), width(), paint)}")
        return
    click.echo(format_change(evidence.parts, judgement, width(), paint))
    click.echo(f"  {note}\n{format_next(load_status(project), width(), paint)}")


def _print(project: Project, judgement: Judgement, as_json: bool, note: str) -> None:
    if as_json:
        print_json({**judgement.as_mapping(), "reason": judgement.reason, "note": note})
        return
    from scaffold.views.report import format_judgement, format_next

    paint = paint_for(sys.stdout)
    click.echo(format_judgement(judgement, width(), paint))
    click.echo(f"  {note}\n{format_next(load_status(project), width(), paint)}")
