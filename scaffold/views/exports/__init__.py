"""What was proven and what was run, in formats of other tools."""

from scaffold.errors import MachineError


def missing_extra(text: str) -> MachineError:
    """Return the error of an export whose package is not installed; `text` says which."""
    return MachineError(text, hint="pip install 'mlloop-new[exports]'")
