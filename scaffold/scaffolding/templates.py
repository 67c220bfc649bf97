"""Renders our templates. The only module that imports copier."""

from collections.abc import Mapping
from pathlib import Path

from scaffold.errors import ScaffoldError


def render(template: Path, into: Path, data: Mapping[str, object]) -> None:
    """Render a template folder.

    Jinja's sandbox, no tasks, no extensions, no questions, no answers file.

    Raises:
        ScaffoldError: the template is broken or asks for more than rendering.
    """
    import copier
    from copier.errors import CopierError
    from jinja2.exceptions import TemplateError

    try:
        copier.run_copy(
            str(template),
            str(into),
            data=dict(data),
            defaults=True,
            overwrite=True,
            quiet=True,
            unsafe=False,
        )
    except (CopierError, TemplateError) as error:
        raise ScaffoldError(f"the template {template} cannot be rendered: {error}") from error
