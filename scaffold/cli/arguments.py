"""Check what was written on the command line, beyond what click checks."""

from scaffold.errors import UsageError


def require_one_line(option: str, text: str) -> str:
    """Return a text for the record; raise UsageError for one that does not fit on one line."""
    if not text.isprintable():
        raise UsageError(f"{option}: must be one line without control characters")
    return text


def parse_number(text: str) -> float | None:
    """Return the number that a person wrote, `0.2` or `20%`; None for what is none."""
    try:
        return float(text.strip().removesuffix("%")) / (100 if "%" in text else 1)
    except ValueError:
        return None


def parse_settings(option: str, settings: tuple[str, ...]) -> dict[str, str]:
    """Parse repeated KEY=VALUE options.

    Raises:
        UsageError: one is not of that form, or a key is given twice.
    """
    changed: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"{option} {setting}: write KEY=VALUE")
        if key in changed:
            raise UsageError(f"{option} {key} is given twice: keep one")
        changed[key] = value
    return changed
