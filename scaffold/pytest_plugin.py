"""Fixtures for a project's own tests: `reference_edits`, `reproduction`, `accepted_change`. Inert outside one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from scaffold.project import Project
    from scaffold.records.judgement import Judgement


@dataclass(frozen=True)
class AcceptedChange:
    """What a test is told of one accepted tweak; `refusal` is why it would not be accepted, `because` why it was."""

    name: str
    word: str
    refusal: str | None
    because: str


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


@pytest.fixture(scope="session")
def accepted_change(scaffold_project: "Project", request: pytest.FixtureRequest) -> "AcceptedChange":
    """One accepted tweak, judged again from its stored runs; a test that asks for it runs once for each."""
    from scaffold.errors import ScaffoldError
    from scaffold.ledger import read_change
    from scaffold.recheck import judge_change_again

    try:
        evidence = read_change(scaffold_project, request.param)
        assert evidence is not None, "it was found when tests were collected"
        judgement = judge_change_again(evidence)
    except ScaffoldError as error:
        pytest.fail(f"{error.message}\n{error.hint or ''}", pytrace=False)
    return AcceptedChange(request.param, judgement.word.value, judgement.refusal, evidence.because)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each accepted tweak."""
    if "accepted_change" in metafunc.fixturenames:
        from scaffold.errors import ScaffoldError
        from scaffold.ledger import accepted
        from scaffold.project import find_project

        try:
            names = [evidence.tweak.name for evidence in accepted(find_project(metafunc.config.rootpath))]
        except ScaffoldError as error:
            pytest.fail(f"{error.message}\n{error.hint or ''}", pytrace=False)
        metafunc.parametrize("accepted_change", names, indirect=True)
