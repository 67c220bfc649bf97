"""Fixtures for a project's own tests: `reference_edits` and `reproduction`. Inert, and free, outside a project."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from scaffold.project import Project
    from scaffold.records.judgement import Judgement


@pytest.fixture(scope="session")
def scaffold_project(request: pytest.FixtureRequest) -> "Project":
    """The project that pytest runs in."""
    from scaffold.errors import ProjectError
    from scaffold.project import find_project

    try:
        return find_project(request.config.rootpath)
    except ProjectError as error:
        pytest.fail(f"{error.message}\n{error.hint}", pytrace=False)


@pytest.fixture(scope="session")
def reference_edits(scaffold_project: "Project") -> list[str]:
    """How `reference/` differs from the tree that the recipe pins: a line for each path."""
    from scaffold.project import load_recipe
    from scaffold.references import find_edits

    return find_edits(scaffold_project.root, scaffold_project.reference, load_recipe(scaffold_project).reference.tree)


@pytest.fixture(scope="session")
def reproduction(scaffold_project: "Project") -> "Judgement":
    """The judgement that `scaffold verify` left, judged again; skips without evidence, fails when it is stale."""
    from scaffold.errors import ScaffoldError
    from scaffold.project import load_recipe
    from scaffold.verify import find_stale, judge_again, read_evidence

    try:
        recipe = load_recipe(scaffold_project)
        evidence = read_evidence(scaffold_project)
        if evidence is None:
            pytest.skip("no evidence yet; make it: scaffold verify")
        stale = find_stale(scaffold_project, recipe, evidence)
        if stale:
            pytest.fail(f"the evidence is stale: {'; '.join(stale)}; make it anew: scaffold verify", pytrace=False)
        return judge_again(scaffold_project, recipe, evidence)
    except ScaffoldError as error:
        pytest.fail(f"{error.message}\n{error.hint or ''}", pytrace=False)
