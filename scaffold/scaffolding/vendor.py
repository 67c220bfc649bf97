"""Say of a commit on the branch `reference` where its content came from, and when it was made."""

from dataclasses import replace

from scaffold.git.repository import Author
from scaffold.records.recipe import (
    GitReference,
    PathReference,
    Recipe,
    reference_name,
    reference_url,
)
from scaffold.references.git import commit_date


def vendor_author(recipe: Recipe, author: Author) -> Author:
    """Return an author with the date of the upstream commit, by which packages are resolved."""
    if not isinstance(recipe.reference, GitReference):
        return author
    return replace(author, date=commit_date(recipe.reference))


def vendor_message(recipe: Recipe, tree: str) -> str:
    """Return the message of a commit on `reference`: where it came from, as trailers."""
    reference = recipe.reference
    trailers = [f"License: {reference.license}", f"Upstream-Tree: {tree}"]
    if not isinstance(reference, PathReference):
        trailers = [
            f"Upstream: {reference_url(reference)}",
            f"Upstream-Revision: {reference.revision}",
            *trailers,
        ]
    return f"Reference {reference_name(recipe)}, byte for byte\n\n" + "\n".join(trailers) + "\n"
