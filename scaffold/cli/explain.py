"""`scaffold explain`."""

import difflib

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.names import complete_word
from scaffold.cli.terminal import print_json, width


@make_command(
    "explain",
    "Explain a word of a verdict, a table or a file, and say where its evidence is.\n\nWithout WORD"
    " all words are listed.",
)
@click.argument("words", metavar="[WORD]", nargs=-1, shell_complete=complete_word)
def command(*, words: tuple[str, ...], as_json: bool) -> int:
    """Print an entry of the glossary."""
    from scaffold.errors import UsageError
    from scaffold.glossary import read_glossary
    from scaffold.views.tables import wrap

    word = " ".join(words) or None
    entries = read_glossary() | _own_metrics()
    if word is None:
        listed = sorted(entries, key=str.casefold)
        if as_json:
            print_json("explanation", {"entries": entries})
        else:
            click.echo("\n".join(wrap(", ".join(listed), width(), hanging=2)))
        return 0
    names = {name.casefold(): name for name in entries}
    key = word.replace("-", "_").casefold()
    spellings = (word.casefold(), key, key.replace("_", " "), f"{key}s", key.removesuffix("s"))
    name = next((names[one] for one in spellings if one in names), None)
    if name is None:
        near = difflib.get_close_matches(key, names, n=3)
        hint = f"did you mean {', '.join(names[one] for one in near)}?" if near else None
        raise UsageError(
            f"the glossary has no {word!r}",
            hint=hint or "all words: scaffold explain; whole pages: scaffold docs",
        )
    if as_json:
        print_json("explanation", {"entries": {name: entries[name]}})
    else:
        click.echo("\n".join(wrap(f"{name}: {entries[name]}", width(), hanging=4)))
    return 0


def _own_metrics() -> dict[str, str]:
    """Return what the files of the project here say of their metrics, by name."""
    from pathlib import Path

    from scaffold.errors import ScaffoldError
    from scaffold.glossary import describe_metric
    from scaffold.project.project import find_project, load_recipe, load_yaml
    from scaffold.records.system import System

    try:
        project = find_project(Path.cwd())
        metrics = {m.name: describe_metric(m, "recipe.yaml") for m in load_recipe(project).metrics}
        if project.system.is_file():
            system = load_yaml(System, project.system)
            metrics |= {m.name: describe_metric(m, "system.yaml") for m in system.metrics}
    except ScaffoldError:  # no project, or a broken one: the words of the glossary are explained
        return {}
    return metrics
