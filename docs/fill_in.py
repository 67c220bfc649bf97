"""What `make site` fills pages with: the same as `scaffold docs`."""

from typing import Any

from scaffold.cli.docs import fill_in


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the generated parts of a page."""
    return fill_in(markdown)
