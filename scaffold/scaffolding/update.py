"""Brings in what is newer: what a newer mlloop-new renders, and a newer revision of the reference.

Both arrive on a vendor branch and are merged as git merges; what the user changed stays theirs.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import scaffold
from scaffold.consent import is_ours
from scaffold.errors import ProjectError, UsageError
from scaffold.git.entries import refuse_unsafe
from scaffold.git.history import (
    changed_entries,
    common_ancestor,
    conflict_error,
    is_ancestor,
    make_commit,
    merge_aside,
    present_branch,
    project_repository,
    tree_with_files,
)
from scaffold.git.move_journal import Merging
from scaffold.git.objects import TreeEntry
from scaffold.git.repository import Repository, person
from scaffold.git.transaction import Move, move
from scaffold.git.trees import list_files
from scaffold.project.files import read_text
from scaffold.project.project import Project, load_recipe
from scaffold.records.parsing import parse_record
from scaffold.records.recipe import GitReference, Recipe
from scaffold.records.yaml_edit import replace_scalar
from scaffold.references import check_patched, git
from scaffold.scaffolding.create import (
    FALLBACK_AUTHOR,
    render_project,
    template_message,
)
from scaffold.scaffolding.vendor import vendor_author, vendor_message
from scaffold.tweak.base_branch import refuse_vendor
from scaffold.tweak.store import find_tweak


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """A newer template, merged. `changed` are the files that it renders in another way."""

    version: str
    changed: tuple[str, ...]


def update_template(project: Project) -> Updated:
    """Render the template of this mlloop-new anew on the branch `template`, and merge that.

    Raises:
        ProjectError: it conflicts, and the conflicts lie in the files as git marks them; or git is
            in no state to.
    """
    repository = project_repository(project.root)
    refuse_vendor(present_branch(repository))
    recipe = load_recipe(project)
    tip = _vendor_tip(repository, "template", "^Template of mlloop-new")
    name = repository.call(
        "show", "--no-patch", "--format=%(trailers:key=Project,valueonly)", tip
    ).strip()
    tree = _rendered(project, repository, recipe, name or project.root.name, tip)
    changed = tuple(changed_entries(repository, f"{tip}^{{tree}}", tree))
    parted = common_ancestor(repository, tip, "HEAD")
    if changed:
        author = person(project.root) or FALLBACK_AUTHOR
        tip = repository.commit_tree(
            tree, template_message(recipe, name or project.root.name), [tip], author
        )
    refs = {"refs/heads/template": tip}
    if is_ancestor(repository, tip, "HEAD"):
        move(project, Move(title="update", refs=refs))
        return Updated(version=scaffold.__version__, changed=changed)
    message = f"Merge the template of mlloop-new {scaffold.__version__}\n"
    merged = merge_aside(repository, "HEAD", tip)
    if merged.stages:
        merging = Merging(theirs=tip, message=message, stages=merged.stages)
        move(project, Move(title="update", refs=refs, files=merged.tree, merging=merging))
        raise conflict_error("template", merged.conflicts)
    commit = make_commit(repository, merged.tree, message, ["HEAD", tip])
    refs[f"refs/heads/{present_branch(repository)}"] = commit
    move(project, Move(title="update", refs=refs))
    return Updated(
        version=scaffold.__version__,
        changed=tuple(changed_entries(repository, f"{parted}^{{tree}}", tree)),
    )


def _vendor_tip(repository: Repository, branch: str, subject: str) -> str:
    """Return the newest commit of a vendor branch; in a clone, the one that was merged last."""
    for ref in (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"):
        commit = repository.find_id(f"{ref}^{{commit}}")
        if commit:
            return commit
    merged = repository.call("log", "--max-count=1", "--format=%H", f"--grep={subject}", "HEAD")
    if not merged:
        raise ProjectError(
            f"there is no branch {branch}, and no commit of it in this history",
            hint=f"fetch it: git fetch origin {branch}:{branch}",
        )
    return merged


def _rendered(project: Project, repository: Repository, recipe: Recipe, name: str, tip: str) -> str:
    """Return the tree that the template renders, with the recipe's own files."""
    recipe_paths = {"recipe.yaml", *recipe.recipe_files()}
    entries = [entry for entry in repository.entries(tip) if entry.path in recipe_paths]
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder)
        render_project(recipe, name, into, is_ours=is_ours(recipe, project.root))
        files = list(list_files(into))
        entries += [
            TreeEntry(mode="100644", id=blob, path=file.relative_to(into).as_posix())
            for file, blob in zip(files, repository.write_blobs(files), strict=True)
        ]
    return repository.write_tree(entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """A newer reference.

    `touching` are the files that changed upstream and that the user changed in `src/`.

    `older` and `newer` are commits of the branch `reference`.
    """

    old_revision: str
    revision: str
    changed: tuple[str, ...]
    touching: tuple[str, ...]
    older: str
    newer: str


def update_reference(project: Project, name: str, *, offline: bool = False) -> Advanced:
    """Bring in another revision on the branch `reference`, and merge it with the new pin.

    Nothing of `src/` changes. The reproduction must be made again.

    Raises:
        UsageError: the reference is no git repository, or it is that revision already.
        FetchError: the revision cannot be had, is unsafe, or a patch does not apply to it.
        ProjectError: a tweak is under way, or edits are in the way.
    """
    repository = project_repository(project.root)
    refuse_vendor(present_branch(repository))
    recipe = load_recipe(project)
    reference = recipe.reference
    if not isinstance(reference, GitReference):
        raise UsageError(
            f"the reference of {recipe.id} lies inside its recipe: it has no other revisions"
        )
    tweak = find_tweak(project)
    if tweak is not None:
        raise ProjectError(
            f"{tweak.phase} {tweak.name} is under way",
            hint=f"scaffold {tweak.phase} accept, or scaffold {tweak.phase} drop",
        )
    is_full = len(name) == 40 and set(name) <= set("0123456789abcdef")
    revision = name if is_full else git.resolve(reference.git, name)
    if revision == reference.revision:
        raise UsageError(f"the reference is at {revision} already")
    tree = git.fetch(
        reference.model_copy(update={"revision": revision}), repository, offline=offline
    )
    refuse_unsafe(repository, repository.entries(tree))
    text = _with_pin(read_text(project.recipe), revision, tree)
    if text is None:
        raise ProjectError(
            "recipe.yaml is written in a way in which its pin cannot be changed",
            hint="write it by hand",
        )
    renewed = parse_record(Recipe, text, source="recipe.yaml")
    check_patched(renewed, project.root, repository, tree)
    older = _vendor_tip(repository, "reference", f"^Upstream-Revision: {reference.revision}$")
    author = vendor_author(renewed, person(project.root) or FALLBACK_AUTHOR)
    newer = repository.commit_tree(
        repository.make_tree({"reference": tree}), vendor_message(renewed, tree), [older], author
    )
    whole = tree_with_files(repository, {"recipe.yaml": text}, {"reference": tree})
    message = (
        f"Reference at {revision[:12]}, was {reference.revision[:12]}\n\nThe reproduction must be"
        " made again.\n"
    )
    commit = make_commit(repository, whole, message, ["HEAD", newer])
    refs = {f"refs/heads/{present_branch(repository)}": commit, "refs/heads/reference": newer}
    move(project, Move(title=f"reference update {name}", refs=refs))
    upstream = changed_entries(repository, reference.tree, tree)
    own = (
        changed_entries(repository, reference.tree, "HEAD:src")
        if repository.find_id("HEAD:src")
        else {}
    )
    return Advanced(
        old_revision=reference.revision,
        revision=revision,
        changed=tuple(upstream),
        touching=tuple(path for path in upstream if path in own),
        older=older,
        newer=newer,
    )


def _with_pin(text: str, revision: str, tree: str) -> str | None:
    """Return the recipe's text with another pin, or None if it is not written in one line each."""
    pinned = replace_scalar(text, ("reference", "revision"), revision)
    return pinned and replace_scalar(pinned, ("reference", "tree"), tree)
