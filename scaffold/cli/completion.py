"""`scaffold completion`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scaffold.cli.command import command as make_command
from scaffold.cli.terminal import print_json

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

_PROGRAMS = ("scaffold", "mlloop-new")
_SHELLS = ("bash", "zsh", "fish")


@make_command(
    "completion",
    "Let your shell complete commands, options and names: recipes, tweaks, parts, metrics, engines."
    "\n\nWrites one small file for each program to where bash-completion, zsh or fish look for a"
    " user's own.",
)
@click.argument("shell", required=False, type=click.Choice(_SHELLS))
def command(*, shell: str | None, as_json: bool) -> int:
    """Write the files, say where they are."""
    from scaffold.errors import UsageError
    from scaffold.project.files import write_text

    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        raise UsageError(
            f"the shell {name or 'of this terminal'} is not known",
            hint=f"scaffold completion SHELL, one of {', '.join(_SHELLS)}",
        )
    paths = []
    for program in _PROGRAMS:
        path = _place(name, program)
        write_text(path, _source(name, program))
        paths.append(path)
    if as_json:
        print_json("completion", {"shell": name, "paths": list(map(str, paths))})
        return 0
    for path in paths:
        click.echo(f"  {path}")
    click.echo(f"  Next       {_NEXT[name]}")
    return 0


_NEXT = {
    "bash": "start a new shell (it needs the package bash-completion)",
    "zsh": "once, in ~/.zshrc before compinit: fpath+=(~/.zfunc); then start a new shell",
    "fish": "start a new shell",
}


def _place(shell: str, program: str) -> Path:
    """Return where a shell looks for a user's own completion of a program."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "bash": data / "bash-completion/completions" / program,
        "zsh": home / ".zfunc" / f"_{program}",
        "fish": config / "fish/completions" / f"{program}.fish",
    }[shell]


def _source(shell: str, program: str) -> str:
    from click.shell_completion import get_completion_class

    kind: type[ShellComplete] | None = get_completion_class(shell)
    assert kind is not None  # click has these three
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    return kind(click.Command(program), {}, program, variable).source() + "\n"
