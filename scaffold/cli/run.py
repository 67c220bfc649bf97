"""`scaffold run`."""

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.command import open_project
from scaffold.cli.run_options import RunFlags, run_options, run_session
from scaffold.cli.terminal import print_json


@make_command(
    "run",
    "Run the reference in a copy of its own and keep what it leaves as evidence; inside a tweak,"
    " run src/ as it is.\n\nRuns that were already made with the same inputs are not made again."
    " Judging them is `scaffold verify`.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="How many seeds to have.",
)
@click.option("--smoke", is_flag=True, help="One shortened run; it can never satisfy a claim.")
@click.option(
    "--reference", is_flag=True, help="Run the reference also while a tweak is under way."
)
@click.option("--rerun", is_flag=True, help="Run also what was already run.")
@run_options
def command(
    *,
    seeds: int,
    smoke: bool,
    reference: bool,
    rerun: bool,
    flags: RunFlags,
) -> int:
    """Prepare, run what is missing, list all."""
    from scaffold.errors import UsageError
    from scaffold.project.project import load_recipe, load_yaml
    from scaffold.records.evidence import RunRecord
    from scaffold.records.program import CALIBRATION_SEED, Program
    from scaffold.running.preparation import prepare
    from scaffold.running.seeds import make_runs, planned_seeds, runs_of
    from scaffold.running.session import Session
    from scaffold.running.store import completed

    project = open_project("run")
    recipe = load_recipe(project)
    program: Program = recipe
    tweak = None
    if not reference and project.tweaks.is_dir():  # else nothing of tweaks is needed, nor imported
        from scaffold.records.system import System
        from scaffold.tweak.store import find_tweak

        tweak = find_tweak(project)
        program = load_yaml(System, project.system) if tweak else recipe
    where = "system.yaml" if tweak else f"recipe {recipe.id}"
    if smoke and program.commands.smoke is None:
        raise UsageError(f"{where} has no smoke command", hint="add commands.smoke to it")
    if smoke and flags.detach:
        raise UsageError("a smoke run is waited for: leave out --detach")
    if program.seeds.first + seeds > CALIBRATION_SEED:
        raise UsageError(
            f"seeds from {CALIBRATION_SEED} on are for calibration runs", hint="ask for fewer seeds"
        )

    earlier: set[str] = set()

    def make(session: Session) -> list[RunRecord]:
        if tweak is not None:
            from scaffold.tweak.prepare import prepare_change

            plan = prepare_change(session, tweak, smoke=smoke)
        else:
            plan = prepare(session, smoke=smoke)
        run_seeds = planned_seeds(program, 1 if smoke else seeds)
        earlier.update(record.id for record in completed(runs_of(plan)))
        return make_runs(project, plan, run_seeds, session.listener, rerun=rerun)

    records = run_session(project, recipe, program, flags, make)
    if flags.as_json:
        print_json("runs", {"runs": [record.model_dump(mode="json") for record in records]})
        return 0
    # What was made now was reported as it ended.
    for record in [record for record in records if record.id in earlier and not rerun]:
        values = "  ".join(f"{name} {value.value:.5g}" for name, value in record.metrics.items())
        text = f"  {record.id}  {record.wall_time_s:.1f} s  {values}".rstrip()
        click.echo(f"{text}  (run before; again: --rerun)")
    click.echo(
        "  it runs, which proves nothing of a claim\n  Next       scaffold verify"
        if smoke
        else "  Next       scaffold verify"
    )
    return 0
