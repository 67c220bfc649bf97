"""Find the command that evaluates what was trained, where the program that trains does not."""

from pathlib import PurePosixPath

from scaffold.authoring.drafting.command_words import Role, StatedCommand, is_template
from scaffold.authoring.drafting.json_metrics import find_reported
from scaffold.authoring.drafting.reading import ReadSource


def find_evaluation(read: ReadSource) -> StatedCommand | None:
    """Return the next command after the one that trains that prints a metric of the test split.

    None where training prints one itself, or no whole command of the same folder is stated.
    """
    train = read.chosen.command
    if train is None or train.role is not Role.TRAIN or not train.place.path:
        return None
    if any(shown.split == "test" for shown in find_reported(read.modules)):
        return None
    for command in read.commands:
        is_next = command.place.path == train.place.path and command.place.line > train.place.line
        if (
            is_next
            and command.role is Role.EVALUATE
            and command.program not in ("", train.program)
            and PurePosixPath(command.program).parent == PurePosixPath(train.program).parent
            and not is_template(command)
            and not command.is_mentioned
            and any(
                shown.split in ("test", None)
                for shown in find_reported(read.python.reachable(command.program))
            )
        ):
            return command
    return None
