"""`mlloop-new`, which is `scaffold new`."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaffold.cli.arguments import parse_settings
from scaffold.cli.command import command as make_command
from scaffold.cli.names import complete_recipe
from scaffold.cli.terminal import paint_for, print_json, width

if TYPE_CHECKING:
    from scaffold.authoring.drafting.recipe_text import OpenQuestion
    from scaffold.recipes.catalogue import FoundRecipe
    from scaffold.scaffolding.create import CreatedProject

DEFAULT_RECIPE = "digits-cnn"
_MOST_CHOICES = 8


@make_command(
    "mlloop-new",
    "Make a project in DIR that first reproduces a published result, then adapts it in proven"
    " steps.\n\nRECIPE is an id (scaffold recipes list), a recipe folder or file, or"
    " URL[@revision[:path]] of a git repository. Of a repository or folder without a recipe, or of"
    " hf:ORG/NAME[@revision], a model of the Hugging Face Hub, or pypi:NAME[==version], a package,"
    " one is drafted. Nothing of the reference is run.",
)
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    metavar="RECIPE",
    shell_complete=complete_recipe,
    help=f"What to start from. Default: {DEFAULT_RECIPE}.",
)
@click.option(
    "--task",
    metavar="TEXT",
    help="In place of --from: your task in your own words; the nearest recipe is taken.",
)
@click.option("--experiment", metavar="NAME", help="Of a recipe with several: the one to build on.")
@click.option("--name", help="Name of the project. Default: that of DIR.")
@click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a hyperparameter; a deviation.",
)
@click.option(
    "--accept-no-licence", is_flag=True, help="Draft from a source that states no licence."
)
@click.option("--no-input", is_flag=True, help="Never ask.")
@click.option("--offline", is_flag=True, help="Use only what is in the cache.")
@click.version_option(package_name="mlloop-new", prog_name="mlloop-new")
def command(
    *,
    directory: Path | None,
    source: str | None,
    task: str | None,
    experiment: str | None,
    name: str | None,
    settings: tuple[str, ...],
    accept_no_licence: bool,
    no_input: bool,
    offline: bool,
    as_json: bool,
) -> int:
    """Ask what was not said, find the recipe, put the project up, say what is next."""
    from scaffold.errors import UsageError
    from scaffold.recipes.catalogue import find_recipe, is_without_recipe
    from scaffold.records.recipe import reference_name
    from scaffold.scaffolding.create import create_project

    may_ask = not no_input and not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    if source is not None and task is not None:
        raise UsageError("--from names the recipe, --task looks for one: give one of them")
    if task is not None:
        source = _find_recipe(task, may_ask)
    elif source is None:
        source = _ask_recipe() if may_ask else DEFAULT_RECIPE
    if directory is None and name is None and not may_ask:
        raise UsageError(
            "where shall the project go?", hint=f"mlloop-new my-project --from {source}"
        )
    folder = directory or (Path(name) if name else None)
    if Path(source).is_dir():
        from scaffold.authoring.drafting.kept_answers import require_answered

        require_answered(Path(source))
    if is_without_recipe(source):
        source = _draft(source, folder, offline, accept_no_licence, may_ask)
    source_recipe = find_recipe(source, offline=offline)
    if directory is None:
        directory = Path(name or _ask_directory(source_recipe))
    target = directory.absolute()
    if sys.stderr.isatty() and not as_json:
        click.echo(f"  Fetching   {reference_name(source_recipe.recipe)}", err=True)
    created = create_project(
        source_recipe,
        target,
        name=target.name if name is None else name,
        settings=parse_settings("--set", settings),
        experiment=experiment,
        offline=offline,
    )
    if as_json:
        print_json(
            "created",
            {
                "project_dir": str(created.project_dir),
                "recipe": created.recipe.id,
                "origin": created.origin,
                "reference_tree": created.tree,
                "deviations": [asdict(deviation) for deviation in created.recipe.deviations()],
                "is_ours": created.is_ours,
                "lfs_pointers": list(created.lfs_pointers),
                "next": _next(directory),
                "has_identity": created.has_identity,
                "outer_repository": (
                    str(created.outer_repository) if created.outer_repository else None
                ),
            },
        )
    else:
        _print_created(created, directory)
    return 0


def main() -> None:
    """Run `mlloop-new`."""
    command()


def _draft(
    source: str, directory: Path | None, offline: bool, accept_no_licence: bool, may_ask: bool
) -> str:
    """Draft a recipe beside the project and return its folder; what is open is asked for.

    Raises:
        UsageError: questions are open, and nobody is there to answer; the draft stays.
    """
    from scaffold.authoring.drafting import answering, kept_answers
    from scaffold.authoring.drafting import folder as drafts
    from scaffold.authoring.drafting.recipe_text import open_questions
    from scaffold.errors import UsageError
    from scaffold.views.draft import format_draft

    named_source = drafts.find_source(source)
    if drafts.has_recipe(named_source, offline=offline):
        return drafts.exact_name(named_source)
    name = f"{directory}-recipe" if directory else drafts.default_folder(named_source)
    target = Path(name)
    if not (target / kept_answers.SOURCES).is_file():
        drafts.write_draft(named_source, target, offline=offline)
    if accept_no_licence:
        answering.accept_no_licence(target)
    sources = kept_answers.read_sources(target)
    questions = open_questions(sources)
    following = kept_answers.next_command(target, questions)
    click.echo(
        format_draft(sources, questions, following, width(), paint_for(sys.stderr)), err=True
    )
    while questions and may_ask:
        answer = _ask_question(questions[0])
        questions = answering.answer_question(target, questions[0].key, answer, None)
    if questions:
        count = len(questions)
        raise UsageError(
            f"the draft {target} has {count} open question{'s' * (count != 1)}:"
            f" {', '.join(question.key for question in questions)}",
            hint=(
                f"{kept_answers.next_command(target, questions)}   # then again: mlloop-new"
                f" {shlex.quote(str(directory or 'my-project'))} --from {shlex.quote(source)}"
            ),
        )
    return str(target)


def _ask_question(question: "OpenQuestion") -> object:
    """Ask one question of a draft: one of its candidates, or a text."""
    import questionary

    from scaffold.authoring.drafting.answering import parse_value

    other = "something else"
    choices = [str(candidate.value) for candidate in question.candidates]
    if choices:
        chosen = str(questionary.select(question.why, choices=[*choices, other]).unsafe_ask())
        if chosen != other:
            return parse_value(chosen)
    return parse_value(str(questionary.text(f"{question.key}: {question.why}").unsafe_ask()))


def _find_recipe(task: str, may_ask: bool) -> str:
    """Return the recipe nearest to a task; a person chooses among those that are near.

    Raises:
        UsageError: none has that task.
    """
    from scaffold.errors import UsageError
    from scaffold.recipes.catalogue import known_recipes
    from scaffold.recipes.search import find_tasks, rank_recipes
    from scaffold.views.recipes import format_ranked

    ranked = rank_recipes(task, known_recipes())
    text = format_ranked(list(find_tasks(task)), ranked, width(), paint_for(sys.stderr))
    click.echo(text, err=True)
    if not ranked or not ranked[0].is_same_task:
        raise UsageError(
            f"no recipe here has the task {task!r}",
            hint="mlloop-new DIR --from URL   # drafts one from any git repository",
        )
    if may_ask:
        near = [item.source_recipe for item in ranked[:_MOST_CHOICES]]
        return _choose(near, nearest=near[0])
    return ranked[0].source_recipe.origin


def _ask_recipe() -> str:
    from scaffold.recipes.catalogue import find_recipe, known_recipes

    return _choose(known_recipes(), nearest=find_recipe(DEFAULT_RECIPE))


def _choose(recipes: "Sequence[FoundRecipe]", *, nearest: "FoundRecipe") -> str:
    import questionary

    titles = [
        questionary.Choice(
            f"{source_recipe.recipe.id:24}{source_recipe.recipe.title}", value=source_recipe.origin
        )
        for source_recipe in recipes
    ]
    answer = questionary.select(
        "Which recipe is nearest to your task?", choices=titles, default=nearest.origin
    )
    return str(answer.unsafe_ask())


def _ask_directory(source_recipe: "FoundRecipe") -> str:
    import questionary

    default = f"my-{source_recipe.recipe.id}"
    answer = questionary.text(f"Folder for the new project (empty: {default}):").unsafe_ask()
    return str(answer).strip() or default


def _print_created(created: "CreatedProject", directory: Path) -> None:
    from scaffold.machine import describe_machine
    from scaffold.records.recipe import PathReference, reference_name
    from scaffold.reproduce.duration import expected_verify_s
    from scaffold.views.tables import format_duration, plain, wrap

    recipe, paint = created.recipe, paint_for(sys.stdout)
    reference = recipe.reference
    at = "" if isinstance(reference, PathReference) else f" @ {reference.revision[:7]}"
    patches = len(reference.patches)
    lines = [
        f"  Reference  {reference_name(recipe)}{at} ({reference.license}), tree verified, "
        f"{patches} patch{'es' * (patches != 1)}"
    ]
    for claim in recipe.claims:
        line = f" line {claim.source.line}" if claim.source.line else ""
        where = claim.source.url.rstrip("/").rpartition("/")[2] or claim.source.url
        lines.append(f"  Claim      {claim.metric.replace('_', ' ')} {claim.text}   {where}{line}")
    if not recipe.claims:
        lines.append(
            "  Claim      nothing is published: what its calibration runs gave is reproduced"
        )
    lines += [f"  Data       {data.name} ({data.license})" for data in recipe.datasets]
    lines += [f"  Deviation  {deviation.text}" for deviation in recipe.deviations()]
    if created.lfs_pointers:
        shown = ", ".join(created.lfs_pointers[:3])
        others = (
            f" and {len(created.lfs_pointers) - 3} more" if len(created.lfs_pointers) > 3 else ""
        )
        lines.append(
            f"  Git LFS    {shown}{others}: pointers, not the files; what a run needs of them"
            " belongs under `datasets`"
        )
    if recipe.resources.device == "cuda" and describe_machine().accelerator is None:
        lines.append("  Device     it was made for a GPU, and this machine has none")
    if not created.is_ours:
        lines.append(
            "  Consent    an untrusted recipe: what it runs is shown, and asked for, before the"
            " first run"
        )
    if created.outer_repository:
        lines.append(
            f"  Nested     it lies inside the repository {created.outer_repository}, which takes no"
            f" files of it: name {created.project_dir.name}/ in its .gitignore, or make the project"
            " elsewhere"
        )
    if not created.has_identity:
        lines.append(
            "  Identity   git does not know who you are, and no step can be committed before it"
            ' does: git config --global user.name "NAME"; git config --global user.email "MAIL"'
        )
    lines.append(
        f"  Created    {directory}/  git repository, reproduce is open, tweak and rewrite are"
        " locked"
    )
    verify_s = expected_verify_s(recipe)
    about = "how long that takes was not measured yet"
    if verify_s is not None:
        about = f"about {format_duration(verify_s)} on this machine"
    for line in lines:
        click.echo("\n".join(wrap(plain(line), width(), hanging=13)))
    click.echo(f"  Next       {paint(_next(directory), 'cyan')}   # {about}")


def _next(directory: Path) -> str:
    """Return a command line that can be pasted whatever the folder is called."""
    text = str(directory)
    return f"cd {shlex.quote(f'./{text}' if text.startswith('-') else text)} && scaffold verify"
