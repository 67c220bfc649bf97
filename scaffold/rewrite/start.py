"""Start rewrites: a part in the user's own code, on its own branch, with the trace it must equal.

A rewrite is a change like a tweak, and goes the same way; what differs is how it is judged
(`parity`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scaffold.consent import require_snapshots_consent
from scaffold.errors import ProjectError, UsageError
from scaffold.git.history import present_branch
from scaffold.git.snapshots import Snapshot, snapshot_of_commit, snapshot_of_worktree
from scaffold.project.project import Project, load_yaml
from scaffold.records.program import Command, Program
from scaffold.records.recipe import Recipe
from scaffold.records.system import System
from scaffold.records.tweak import ChangeEvidence, Tweak
from scaffold.rewrite.imports import imported_files
from scaffold.rewrite.parts import (
    Part,
    defined_parts,
    find_part,
    module_parts,
    replace_part,
    rewrite_name,
    stage_parts,
)
from scaffold.rewrite.verify import check_parity
from scaffold.rules.parity.checks import CheckResult
from scaffold.running.preparation import prepare, prepare_program, prepare_smoke
from scaffold.running.session import Session
from scaffold.tracing.golden import Golden, modules_of, require_golden
from scaffold.tracing.record import record_golden
from scaffold.tweak.prepare import runnable, snapshot_files
from scaffold.tweak.start import Wish, ensure_src, open_tweak, refuse_start, rule_of
from scaffold.tweak.store import accepted, find_tweak, is_own_tweak


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteWish:
    """What the user says of a rewrite.

    Attributes:
        part: its name.
        name: of the rewrite; None for one made of the part's.
        own: file of one's own that defines it, `PATH` or `PATH:NAME`; None where the user edits
            `src/`.
        expect: for the record.
        margin: smallest difference of the judged metric that matters; None for what is known of it.
    """

    part: str
    name: str | None = None
    own: str | None = None
    expect: str = ""
    margin: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A rewrite that was opened.

    Attributes:
        tweak: its declaration.
        part: what is replaced.
        made_src: whether it is the first change.
        replaced: files of `src/` that `--with` changed or brought.
        carried: edits that were not committed yet, and came along.
        left_out: what could not be recorded of the snapshot before.
    """

    tweak: Tweak
    part: Part
    made_src: bool
    replaced: tuple[str, ...]
    carried: tuple[str, ...]
    left_out: tuple[str, ...]


def start_rewrite(session: Session, wish: RewriteWish) -> Opened:
    """Record the golden trace of the snapshot before, then start the rewrite on `rewrite/NAME`.

    Raises:
        UsageError: there is no such part, or the file does not define it.
        ProjectError: another change is under way.
        RunError: the snapshot before cannot be traced.
    """
    project, recipe, part_name = session.project, session.recipe, wish.part
    name = wish.name or rewrite_name(part_name)
    repository = refuse_start(project, name, "rewrite")
    made_src = not project.system.exists()
    program: Program = recipe if made_src else load_yaml(System, project.system)
    rule = rule_of(project, recipe, Wish(margin=wish.margin), program.metrics)
    path, defined = _own_file(wish.own)
    # Mistakes are told before anything is made or run; what only a trace knows comes after it.
    tree = project.reference if made_src else project.system_source.tree
    known = [*defined_parts(tree), *stage_parts()]
    if (not part_name.startswith("model") and "." not in part_name) or any(
        part.name == part_name for part in known
    ):
        _replaced(tree, program, find_part(part_name, known), path, defined)
    before_commit = ensure_src(project, repository, recipe)
    before = snapshot_of_commit(project, before_commit)
    golden, weights = _golden(session, before)
    tree = project.system_source.tree  # the recipe's patches are in it
    part = find_part(
        part_name,
        [*defined_parts(tree), *stage_parts(), *module_parts(modules_of(golden.traces["own"]))],
    )
    contents = _replaced(tree, program, part, path, defined)
    becomes = _own_name(part, path, defined)
    tweak = Tweak(
        name=name,
        kind="rewrite",
        expect=wish.expect,
        base_branch=present_branch(repository),
        before=before_commit,
        rule=rule,
        part=part.name,
        becomes=becomes,
        golden=golden.record,
        weights=weights,
    )
    files = {f"golden/{relative}": content for relative, content in golden.files().items()}
    edits = {f"src/{relative}": content for relative, content in contents.items()}
    carried = open_tweak(project, repository, tweak, files, edits)
    return Opened(
        tweak=tweak,
        part=part,
        made_src=made_src,
        replaced=tuple(edits),
        carried=carried,
        left_out=golden.about.left_out,
    )


def _own_file(own: str | None) -> tuple[Path | None, str]:
    if own is None:
        return None, ""
    text, _, defined = (
        own.rpartition(":") if ":" in own and not Path(own).is_file() else (own, "", "")
    )
    path = Path(text)
    if not path.is_file():
        raise UsageError(f"--with {text}: there is no such file")
    return path, defined


def _own_name(part: Part, own: Path | None, defined: str) -> str:
    """Return the name of a part's definition in the user's file; empty without a file."""
    if own is None:
        return ""
    module = (Path(part.file).parent / own.stem).as_posix().removeprefix("./").replace("/", ".")
    return f"{module}.{defined or part.name.rpartition('.')[2]}"


def _replaced(
    tree: Path, program: Program, part: Part, own: Path | None, defined: str
) -> dict[str, bytes]:
    """Return contents of the files that change when a part comes from the user's file."""
    if own is None:
        return {}
    roots = imported_files(tree, _commands(program)).roots or ("",)
    return replace_part(tree, part, own, defined or part.name.rpartition(".")[2], roots)


def _commands(program: Program) -> list[Command]:
    return [
        *program.commands.steps(smoke=False).values(),
        *program.commands.steps(smoke=True).values(),
    ]


def _golden(session: Session, before: Snapshot) -> tuple[Golden, dict[str, str | tuple[str, ...]]]:
    """Return the trace the snapshot before was proven equal to, or a new one of it.

    A chain of rewrites is compared with its first state, so that small differences cannot add up.
    """
    project = session.project
    for evidence in reversed(accepted(project)):
        if (
            evidence.tweak.kind == "rewrite"
            and evidence.accepted_snapshot == before.id
            and not evidence.reason
        ):
            return require_golden(project, evidence.tweak), dict(evidence.tweak.weights)
    require_snapshots_consent([runnable(before, "the snapshot before")], session.options.trust)
    return _recorded(session, before), {}


def _recorded(session: Session, snapshot: Snapshot) -> Golden:
    files = replace(
        snapshot_files(snapshot, "the snapshot before"),
        remedy="it must run before it can be rewritten",
    )
    smoke = None
    if snapshot.system.commands.smoke:
        smoke = prepare_program(session, files, smoke=True)
    plan = prepare_program(session, files)
    return record_golden(session.project, plan, smoke, snapshot.id, session.listener)


def list_parts(project: Project, recipe: Recipe) -> list[Part]:
    """List classes and functions that the system's commands import, and the stages of training.

    They are those of the reference while there is no `src/`.

    The files alone tell it: nothing is run.
    """
    has_system = project.system.exists()
    program: Program = load_yaml(System, project.system) if has_system else recipe
    tree = project.system_source.tree if has_system else project.reference
    files = imported_files(tree, _commands(program)).files
    return [*defined_parts(tree, files), *stage_parts()]


def traced_parts(session: Session) -> list[Part]:
    """Return the modules of the system's networks too, from one golden trace.

    Raises:
        RunError, ConsentError: see `start_rewrite`.
    """
    project, recipe = session.project, session.recipe
    if project.system.exists():
        snapshot = snapshot_of_worktree(project)
        tweak = find_tweak(project)
        if tweak is None or not is_own_tweak(project, tweak):
            require_snapshots_consent([runnable(snapshot, "src/")], session.options.trust)
        golden = _recorded(session, snapshot)
    else:
        plan, smoke = prepare(session), prepare_smoke(session)
        golden = record_golden(project, plan, smoke, recipe.reference.tree, session.listener)
    return [*module_parts(modules_of(golden.traces["own"])), *list_parts(project, recipe)]


def recheck_parity(
    session: Session, name: str | None
) -> tuple[ChangeEvidence, Sequence[CheckResult]]:
    """Compare `src/` as it is now with the golden trace of an accepted rewrite.

    Without a name it is the last one.

    Raises:
        ProjectError: there is none, or its golden trace was edited.
    """
    project = session.project
    done = [evidence for evidence in accepted(project) if evidence.tweak.kind == "rewrite"]
    matching = [evidence for evidence in done if name in (None, evidence.tweak.name)]
    if not matching:
        names = ", ".join(evidence.tweak.name for evidence in done)
        raise ProjectError(
            f"no rewrite {name} was accepted here" if name else "no rewrite was accepted here yet",
            hint=f"there are: {names}" if names else "scaffold rewrite start PART",
        )
    require_snapshots_consent(
        [runnable(snapshot_of_worktree(project), "src/")], session.options.trust
    )
    checks = check_parity(session, matching[-1])
    return matching[-1], checks
