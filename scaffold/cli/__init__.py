"""The command line: one thin file a command.

The only place that prints, prompts and picks exit codes.

Nothing but click is imported until a command runs, so that `--help` and a wrong argument answer at
once.
"""

import gc
import importlib

import click

from scaffold.cli.groups import CommandGroup

# A command makes many classes and few cycles: looking for cycles took a twentieth of a short one's
# time.
gc.set_threshold(100_000)

COMMANDS = {
    "new": "Make a project from a recipe (the same as mlloop-new).",
    "run": "Run the reference and keep what it leaves as evidence.",
    "runs": "Show the runs that were handed to a cluster.",
    "verify": "Run what evidence is missing, then judge.",
    "tweak": "Take one small step away from the reference, and judge it.",
    "rewrite": "Replace a part by your own code, proven equal.",
    "bisect": "Find the accepted step that lost a metric.",
    "update": "Merge what a newer mlloop-new renders.",
    "reference": "Bring in a newer revision of the reference.",
    "eject": "Take the scaffold down: a plain repository stays.",
    "status": "Show where the project stands.",
    "next": "Show the one next action.",
    "data": "Name folders of data that stay outside the project.",
    "log": "Show a metric from step to step.",
    "splits": "Divide examples into splits, look for leaks, seal test.",
    "goal": "Say what difference in the error matters.",
    "bound": "Say the lowest error that one can believe in.",
    "analyze": "Say what holds the model back, and what to try.",
    "probe": "Run the program once in another way, and compare.",
    "sweep": "Try values of hyperparameters, spread evenly over ranges.",
    "errors": "Look at wrong examples, and see what each kind costs.",
    "ship": "Say GO or NO-GO, with every metric and limit.",
    "dashboard": "Write a page that shows the project.",
    "export": "Give evidence and runs to other tools.",
    "certificate": "A reproduction on one page that can be linked and checked.",
    "explain": "Explain a word of a verdict, a table or a file.",
    "docs": "Read the documentation, without a network.",
    "completion": "Let your shell complete commands and names.",
    "doctor": "Show what this machine offers to runs, and what it lacks.",
    "recipes": "List, find, show, draft, check and calibrate recipes.",
}
"""Every command with its one-line help; each lives in the module of its name."""


class _LazyGroup(CommandGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"scaffold.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def suggest(self, ctx: click.Context, word: str) -> str:
        for name in COMMANDS:
            group = self.get_command(ctx, name)
            if isinstance(group, click.Group) and word in group.commands:
                return f" Did you mean '{name} {word}'?"
        return super().suggest(ctx, word)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlloop-new", prog_name="scaffold")
def main() -> None:
    """Work in a project: prove that its reference works here, and prove every step away from it.

    Exit status: 0 done, verdict good; 1 verdict bad; 2 wrong usage or a broken file; 3
    inconclusive; 4 something could not be fetched, run or read; 130 interrupted.
    """
