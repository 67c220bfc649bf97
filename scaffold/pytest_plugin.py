"""Fixtures for a project's tests.

`reference_edits`, `reproduction`, `experiment`, `unjudged_edits`, `accepted_change`, `parity`.
Inert elsewhere.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

    from scaffold.project.project import Project
    from scaffold.records.judgment import Judgment
    from scaffold.rules.parity.checks import CheckResult


@dataclass(frozen=True)
class AcceptedChange:
    """What a test gets of one accepted tweak.

    `refusal` is why it would not be accepted, `because` why it was.
    """

    name: str
    verdict: str
    refusal: str | None
    reason: str


@dataclass(frozen=True)
class Parity:
    """What a test gets of one accepted rewrite.

    Its checks by name, and why it was accepted in spite of them, if so.
    """

    checks: "dict[str, CheckResult]"
    reason: str

    def difference(self, name: str) -> str | None:
        """Return how a check differs; None if it does not.

        Skips the test where nothing could be compared.
        """
        check = self.checks.get(name)
        if check is None or check.verdict.value == "LEFT_OUT":
            pytest.skip(check.reason if check else "not of this program")
        if check.verdict.value == "EQUAL" or self.reason:
            return None
        return f"{check.reason} (usual causes: {'; '.join(check.causes)})"


@pytest.fixture(scope="session")
def scaffold_project(request: pytest.FixtureRequest) -> "Project":
    """Return the project that pytest runs in."""
    from scaffold.errors import ProjectError
    from scaffold.project.project import find_project

    try:
        return find_project(request.config.rootpath)
    except ProjectError as error:
        pytest.fail(f"{error.message}\n{error.hint}", pytrace=False)


@pytest.fixture(scope="session")
def reference_edits(scaffold_project: "Project") -> list[str]:
    """Return how `reference/` differs from the tree that the recipe pins, one line per path."""
    from scaffold.project.project import load_recipe
    from scaffold.references import find_edits

    return find_edits(
        scaffold_project.root,
        scaffold_project.reference,
        load_recipe(scaffold_project).reference.tree,
    )


_BY_OTHERS = pytest.StashKey[str]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say of evidence that others made that these tests only show that it is whole."""
    if _BY_OTHERS in config.stash:
        terminalreporter.write_line(config.stash[_BY_OTHERS])


@pytest.fixture(scope="session")
def reproduction(scaffold_project: "Project", request: pytest.FixtureRequest) -> "Judgment":
    """Return the stored reproduction, judged again.

    Skips without evidence, fails when it is stale.
    """
    return _judged(scaffold_project, request)


def _judged(project: "Project", request: pytest.FixtureRequest) -> "Judgment":
    from scaffold.errors import ScaffoldError
    from scaffold.project.project import load_recipe
    from scaffold.reproduce.evidence import read_evidence
    from scaffold.reproduce.staleness import find_stale, judge_again
    from scaffold.tweak.store import refuse_deleted
    from scaffold.user_state import Origin, origin_of

    command = "scaffold verify"
    command += f" --experiment {project.experiment}" if project.experiment else ""
    try:
        recipe = load_recipe(project)
        refuse_deleted(project)
        evidence = read_evidence(project)
        if evidence is None:
            pytest.skip(f"no evidence yet; make it: {command}")
        stale = find_stale(project, recipe, evidence)
        if origin_of(evidence.checksum) is Origin.OTHERS:
            request.config.stash[_BY_OTHERS] = (
                f"evidence/{project.reproduction.name} is {Origin.OTHERS.value}: its judgment"
                " follows from its runs, and whether they were made is what `scaffold verify`"
                " checks"
            )
        if stale:
            pytest.fail(
                f"the evidence is stale: {'; '.join(map(str, stale))}; make it anew: {command}",
                pytrace=False,
            )
        return judge_again(project, recipe, evidence)
    except ScaffoldError as error:
        pytest.fail(f"{error.message}\n{error.hint or ''}", pytrace=False)


@pytest.fixture(scope="session")
def experiment(scaffold_project: "Project", request: pytest.FixtureRequest) -> "Judgment":
    """Return the stored judgment of one further experiment, judged again; once for each."""
    from dataclasses import replace

    return _judged(replace(scaffold_project, experiment=request.param), request)


@pytest.fixture(scope="session")
def accepted_change(
    scaffold_project: "Project", request: pytest.FixtureRequest
) -> "AcceptedChange":
    """Return one accepted tweak, judged again from its stored runs; the test runs once for each."""
    from scaffold.errors import ScaffoldError
    from scaffold.tweak.staleness import judge_change_again
    from scaffold.tweak.store import read_change

    try:
        evidence = read_change(scaffold_project, request.param)
        assert evidence is not None, "it was found when tests were collected"
        judgment = judge_change_again(evidence)
    except ScaffoldError as error:
        pytest.fail(f"{error.message}\n{error.hint or ''}", pytrace=False)
    return AcceptedChange(request.param, judgment.verdict.value, judgment.refusal, evidence.reason)


@pytest.fixture(scope="session")
def unjudged_edits(scaffold_project: "Project") -> list[str]:
    """Return what of `src/` and what decides how it runs differs from all that was judged.

    Nothing while a tweak is under way, which is there to be judged.
    """
    from scaffold.errors import ScaffoldError
    from scaffold.git.repository import Repository
    from scaffold.git.snapshots import PATHS
    from scaffold.tweak.base_branch import find_unjudged_edits
    from scaffold.tweak.store import find_tweak

    try:
        repository = Repository(scaffold_project.root)
        if repository.find_id("HEAD") is None or find_tweak(scaffold_project) is not None:
            return []
        judged = find_unjudged_edits(scaffold_project, repository)
    except ScaffoldError as error:
        pytest.fail(f"{error.message}\n{error.hint or ''}", pytrace=False)
    if judged is None:
        return []
    known = repository.call("diff", "--name-only", "-z", judged, "--", *PATHS)
    others = ("ls-files", "-z", "--others", "--exclude-standard", "--", *PATHS)
    return (known + repository.call(*others)).split("\0")[:-1]


@pytest.fixture(scope="session")
def parity(scaffold_project: "Project", request: pytest.FixtureRequest) -> "Parity":
    """Return the parity checks of one accepted rewrite.

    They come from evidence and a trace that nobody edited.
    """
    from scaffold.errors import ScaffoldError
    from scaffold.rules.parity.checks import CheckResult
    from scaffold.tracing.golden import require_golden
    from scaffold.tweak.staleness import judge_change_again
    from scaffold.tweak.store import read_change

    try:
        evidence = read_change(scaffold_project, request.param)
        assert evidence is not None, "it was found when tests were collected"
        judge_change_again(evidence)
        require_golden(scaffold_project, evidence.tweak)
    except ScaffoldError as error:
        pytest.fail(f"{error.message}\n{error.hint or ''}", pytrace=False)
    checks = [CheckResult.from_mapping(check) for check in evidence.checks]
    return Parity({check.name: check for check in checks}, evidence.reason)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Generate one test per accepted tweak, accepted rewrite's check, and further experiment."""
    if "experiment" in metafunc.fixturenames:
        _generate_experiments(metafunc)
    fixtures = {"accepted_change", "parity"} & set(metafunc.fixturenames)
    if fixtures:
        from scaffold.errors import ScaffoldError
        from scaffold.project.project import find_project
        from scaffold.tweak.store import accepted, refuse_deleted

        try:
            project = find_project(metafunc.config.rootpath)
            refuse_deleted(project)
            done = accepted(project)
        except ScaffoldError as error:
            pytest.fail(f"{error.message}\n{error.hint or ''}", pytrace=False)
        names = {
            "accepted_change": [evidence.tweak.name for evidence in done],
            "parity": [evidence.tweak.name for evidence in done if evidence.checks],
        }
        for fixture in fixtures:
            metafunc.parametrize(fixture, names[fixture] or [_NONE_YET[fixture]], indirect=True)


def _generate_experiments(metafunc: pytest.Metafunc) -> None:
    from scaffold.errors import ScaffoldError
    from scaffold.project.project import find_project, load_recipe

    try:
        names = load_recipe(find_project(metafunc.config.rootpath)).further_experiments
    except ScaffoldError as error:
        pytest.fail(f"{error.message}\n{error.hint or ''}", pytrace=False)
    metafunc.parametrize("experiment", names, indirect=True)


def _none_yet(accepted: str) -> "ParameterSet":
    reason = f"nothing to check yet: no {accepted} was accepted"
    return pytest.param(None, marks=pytest.mark.skip(reason=reason), id="none yet")


_NONE_YET = {"accepted_change": _none_yet("tweak"), "parity": _none_yet("rewrite")}
"""Instead of pytest's "got empty parameter set"."""
