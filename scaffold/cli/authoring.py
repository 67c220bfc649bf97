"""The commands of `scaffold recipes` that make a recipe."""

import shlex
import sys
from pathlib import Path

import click

from scaffold.cli.command import command
from scaffold.cli.names import complete_recipe
from scaffold.cli.run_options import RunFlags, run_options, run_with_progress
from scaffold.cli.terminal import paint_for, print_json, width


@command(
    "check",
    "Check a recipe: its text, that its reference is what it pins, that its patches apply, that its"
    " calibration is its own. Runs nothing.",
)
@click.argument("source", metavar="PATH")
@click.option("--offline", is_flag=True, help="Use only what is in the cache.")
def check(*, source: str, offline: bool, as_json: bool) -> int:
    """Raise at the first part that does not hold; the text's problems come all at once."""
    from scaffold.authoring.check import check_recipe
    from scaffold.authoring.drafting.kept_answers import require_answered
    from scaffold.recipes.catalogue import find_recipe

    require_answered(Path(source))
    notes = check_recipe(find_recipe(source, offline=offline), offline=offline)
    if as_json:
        print_json("recipe_checked", {"ok": True, "notes": notes})
    else:
        click.echo("\n".join(f"  {note}" for note in notes))
    return 0


@command(
    "draft",
    "Draft a recipe from a source that has none: a git URL[@REVISION[:PATH]], a page of one, a"
    " folder, or hf:ORG/NAME[@REVISION], a model of the Hugging Face Hub, or"
    " pypi:NAME[==VERSION], a package.\n\nThe source is read, never run. Each value is cited; what"
    " it does not say is asked.",
)
@click.argument("source", metavar="SOURCE")
@click.option("-o", "--output", "folder", metavar="DIR", help="Folder of the draft.")
@click.option("--offline", is_flag=True, help="Use only what is in the cache.")
@click.option("--accept-no-licence", is_flag=True, help="Go on where the source states no licence.")
def draft(
    *, source: str, folder: str | None, offline: bool, accept_no_licence: bool, as_json: bool
) -> int:
    """Read, write the draft, say what is open."""
    from scaffold.authoring.drafting import answering
    from scaffold.authoring.drafting import folder as drafts

    named_source = drafts.find_source(source)
    target = Path(folder or drafts.default_folder(named_source))
    drafts.write_draft(named_source, target, offline=offline)
    if accept_no_licence:
        answering.accept_no_licence(target)
    _print_draft(target, as_json=as_json)
    return 0


@command(
    "answer",
    "Answer an open question of a draft: KEY is the field's place in recipe.yaml, VALUE as YAML"
    " reads it.",
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("key")
@click.argument("value")
@click.option(
    "--source", "place", metavar="FILE:LINE", help="The place in the source that says so."
)
def answer(*, folder: Path, key: str, value: str, place: str | None, as_json: bool) -> int:
    """Write the answer, say what is still open."""
    from scaffold.authoring.drafting import answering

    answering.answer_question(folder, key, answering.parse_value(value), place)
    _print_draft(folder, as_json=as_json)
    return 0


@command(
    "try",
    "Try a draft: run its smoke command in the sandbox. Of a failure that is known the cure is"
    " proposed; it changes the draft when you accept it.",
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--accept", is_flag=True, help="Write the proposed cure into the draft.")
@run_options
def try_draft(*, folder: Path, accept: bool, flags: RunFlags) -> int:
    """Run, say what happened, and what may cure it."""
    from dataclasses import asdict

    from scaffold.authoring.drafting.answering import accept_cure
    from scaffold.authoring.drafting.trying import try_draft as attempt
    from scaffold.errors import UsageError
    from scaffold.recipes.catalogue import find_recipe
    from scaffold.views.draft import format_attempt

    if flags.detach:
        raise UsageError("a draft is tried once and its folder thrown away: leave out --detach")
    tried = run_with_progress(
        find_recipe(str(folder)).recipe,
        flags,
        lambda progress, options: attempt(folder, progress, options),
    )
    is_cured = accept and tried.cure is not None and bool(tried.cure.key)
    if is_cured and tried.cure is not None:
        accept_cure(folder, tried.cure)
    if flags.as_json:
        print_json(
            "recipe_tried",
            {
                "path": str(folder),
                "works": tried.record is not None,
                "metrics": {
                    name: value.value
                    for name, value in (tried.record.metrics if tried.record else {}).items()
                },
                "reason": tried.reason,
                "output": tried.output,
                "cure": asdict(tried.cure) if tried.cure else None,
                "accepted": is_cured,
            },
        )
    else:
        text = format_attempt(tried, folder, width(), paint_for(sys.stdout), is_accepted=is_cured)
        click.echo(text)
    return 0 if tried.record else 1


def _print_draft(folder: Path, *, as_json: bool) -> None:
    from scaffold.authoring.drafting.kept_answers import next_command, read_sources
    from scaffold.authoring.drafting.recipe_text import open_questions
    from scaffold.views.draft import format_draft

    sources = read_sources(folder)
    questions = open_questions(sources)
    following = next_command(folder, questions)
    if as_json:
        print_json(
            "recipe_drafted",
            {
                "path": str(folder),
                "answers": {
                    key: answer.model_dump(mode="json") for key, answer in sources.answers.items()
                },
                "warnings": list(sources.warnings),
                "questions": [
                    {
                        "key": question.key,
                        "why": question.why,
                        "candidates": [c.model_dump(mode="json") for c in question.candidates],
                    }
                    for question in questions
                ],
                "next": following,
            },
        )
    else:
        click.echo(format_draft(sources, questions, following, width(), paint_for(sys.stdout)))


@command(
    "calibrate",
    "Run a recipe many times and write calibration.json beside it: every value, with the"
    " hardware.\n\nAn interrupted calibration goes on where it stopped.",
)
@click.argument("source", metavar="RECIPE", shell_complete=complete_recipe)
@click.option(
    "--runs",
    type=click.IntRange(2, 1000),
    default=30,
    show_default=True,
    help="How many runs to record.",
)
@click.option("--experiment", metavar="NAME", help="Of a recipe with several: this one's runs.")
@click.option(
    "--first-seed",
    type=click.IntRange(0, 2**31),
    help="For a second machine, whose runs are merged: other seeds than 1000 and up.",
)
@run_options
def calibrate(
    *,
    source: str,
    runs: int,
    first_seed: int | None,
    experiment: str | None,
    flags: RunFlags,
) -> int:
    """Run, record, say where."""
    from scaffold.authoring import calibrate as calibration
    from scaffold.machine import runs_at_once
    from scaffold.recipes.catalogue import without_calibration
    from scaffold.views.tables import format_duration

    source_recipe = without_calibration(source, experiment)
    needed = source_recipe.recipe.resources
    all_s = runs * needed.run_time_s / (flags.jobs or runs_at_once(needed))
    about = f", about {format_duration(all_s)} in all" if needed.is_measured else ""
    if not flags.as_json:
        click.echo(
            f"  {runs} runs{about}; interrupted, it goes on where it stopped",
            err=True,
        )

    done = run_with_progress(
        source_recipe.recipe,
        flags,
        lambda progress, options: calibration.calibrate(
            source_recipe, runs, first_seed, progress, options
        ),
    )
    is_declared = calibration.declare(source_recipe, done)
    if flags.as_json:
        print_json(
            "recipe_calibrated", {"path": str(done.path), "runs": len(done.calibration.runs)}
        )
        return 0
    click.echo(f"  {len(done.calibration.runs)} runs recorded in {done.path}")
    if not is_declared:
        click.echo(f"  Next       add `calibration: {done.path.name}` to recipe.yaml")
    elif (source_recipe.folder / ".scaffold").is_dir():
        names = f"recipe.yaml {done.path.name}"
        commit = f"git add {names} && git commit -m 'Calibrate' -- {names}"
        click.echo(f"  Next       {commit} && scaffold verify")
    else:
        place = shlex.quote(str(Path(source) if Path(source).exists() else source))
        click.echo(f"  Next       mlloop-new my-project --from {place}")
    return 0


@command(
    "merge",
    "Add calibration runs that were made on other machines, each a calibration.json of the same"
    " recipe, and say what the machines do to each metric beside what seeds do.",
)
@click.argument("source", metavar="RECIPE", shell_complete=complete_recipe)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--experiment", metavar="NAME", help="Of a recipe with several: this one's runs.")
def merge(*, source: str, files: tuple[Path, ...], experiment: str | None, as_json: bool) -> int:
    """Merge, say what machines do."""
    from scaffold.authoring.merge import merge_calibrations
    from scaffold.recipes.catalogue import choose_experiment, find_recipe
    from scaffold.views.machines import format_merged, merged_answer

    recipe_source = find_recipe(source)
    choose_experiment(recipe_source.recipe, experiment)  # it says which there are
    merged = merge_calibrations(recipe_source, files, experiment)
    if as_json:
        print_json("calibrations_merged", merged_answer(merged))
    else:
        click.echo(format_merged(merged, width()))
    return 0


@command(
    "trace",
    "Record what a recipe's reference computes, check by check, into golden/ beside it.\n\n"
    "Projects of the recipe then compare theirs before the first long run.",
)
@click.argument("source", metavar="RECIPE", shell_complete=complete_recipe)
@run_options
def trace(
    *,
    source: str,
    flags: RunFlags,
) -> int:
    """Record, say what to add to recipe.yaml."""
    from scaffold.authoring.calibrate import record_trace
    from scaffold.recipes.catalogue import find_recipe

    source_recipe = find_recipe(source, offline=flags.offline)
    shipped = run_with_progress(
        source_recipe.recipe,
        flags,
        lambda progress, options: record_trace(source_recipe, progress, options),
    )
    if flags.as_json:
        print_json("recipe_traced", {"golden": shipped.model_dump(mode="json")})
        return 0
    click.echo(f"  recorded in {source_recipe.folder / 'golden' / shipped.name}")
    click.echo("  Next       put this into recipe.yaml, in place of an earlier one:\n")
    click.echo(f'golden:\n  name: "{shipped.name}"\n  sha256: {shipped.sha256}\n  files:')
    click.echo("".join(f"    - {file}\n" for file in shipped.files))
    return 0


@command(
    "publish",
    "Make a recipe folder of a project whose reproduction holds here, with its calibration runs and"
    " its certificate, for others to start from.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="A new folder, such as CATALOGUE/recipes/ID of a repository of recipes.",
)
def publish(*, folder: Path, as_json: bool) -> int:
    """Write the folder, say how others use it."""
    from scaffold.authoring import publish as publishing
    from scaffold.cli.command import open_project
    from scaffold.project.files import write_text
    from scaffold.views.certificate import make_certificate
    from scaffold.views.exports.statement import make_statement

    project = open_project()
    certificate = make_certificate(make_statement(project))
    recipe = publishing.publish(project, folder).recipe
    write_text(folder / "CERTIFICATE.md", certificate)
    if as_json:
        print_json("recipe_published", {"path": str(folder), "recipe": recipe.id})
    else:
        click.echo(
            f"  {folder}  recipe {recipe.id}\n"
            f"  Next       scaffold recipes check {shlex.quote(str(folder))}\n"
            "             then commit it to a repository: others type"
            " mlloop-new --from URL@REV:PATH, or scaffold recipes add URL"
        )
    return 0
