"""Makes the user's own copy in one commit.

`src/` of the reference, `system.yaml` that says how it runs, its lock.
"""

from scaffold.consent import approve_program, is_approved
from scaffold.errors import BrokenFileError, ProjectError
from scaffold.git.history import make_commit, present_branch, tree_with_files
from scaffold.git.repository import Repository
from scaffold.git.transaction import Move, move
from scaffold.project.files import read_text
from scaffold.project.project import Project
from scaffold.project.schemas import editor_line
from scaffold.records.parsing import parse_record
from scaffold.records.recipe import Recipe
from scaffold.records.system import System
from scaffold.records.yaml_edit import find_block
from scaffold.records.yaml_text import dump_yaml
from scaffold.references.patches import check_patches

_HEAD = (
    "# How src/ runs. Change it one small step at a time: scaffold tweak start NAME\nformat: 1\n"
)
_COPIED = (
    "datasets",
    "environment",
    "commands",
    "hyperparameters",
    "seeds",
    "metrics",
    "progress",
    "resources",
)


def begin(project: Project, repository: Repository, recipe: Recipe) -> None:
    """Make `src/` of the patched reference, and the files that say how it runs, in one commit."""
    if (project.root / "src").exists():
        raise ProjectError(
            f"{project.root / 'src'} exists, and is not ours: the user's copy of the reference"
            " goes there",
            hint="git mv it, or move it away",
        )
    tree = recipe.reference.tree
    patches = [project.root / patch.file for patch in recipe.patches]
    if patches:
        tree = check_patches(repository, tree, patches)
    text = system_text(read_text(project.recipe), recipe)
    system = parse_record(System, text, source="system.yaml")
    files = {"system.yaml": text}
    if project.lock.exists():
        files["system.lock"] = read_text(project.lock)
    for driver in recipe.drivers:
        if repository.find_id(f"{tree}:{driver}"):
            raise ProjectError(
                f"the reference has a file {driver} of its own: src/ cannot hold both"
            )
        files[f"src/{driver}"] = read_text(project.root / driver)
    whole = tree_with_files(repository, files, {"src": tree})
    message = "Begin src/: the reference's copy, and how it runs\n"
    commit = make_commit(repository, whole, message, ["HEAD"])
    approved = is_approved(recipe, project.root, recipe.reference.tree)
    branch = present_branch(repository)
    move(project, Move(title="begin src/", refs={f"refs/heads/{branch}": commit}))
    if approved:  # what runs is the same program
        approve_program(
            system, project.root, repository.call("rev-parse", f"{whole}:src"), "the first src/"
        )


def system_text(recipe_text: str, recipe: Recipe) -> str:
    """Return `system.yaml` for a recipe: the parts that say how it runs, comments kept.

    A recipe in flow style (`{key: value}`) is written again, in block style.
    """
    blocks = [find_block(recipe_text, key) for key in _COPIED]
    head = editor_line("system") + _HEAD
    text = "\n".join([head, *(f"{block.rstrip()}\n" for block in blocks if block)])
    try:
        parsed = parse_record(System, text, source="system.yaml")
        is_same = all(getattr(parsed, key) == getattr(recipe, key) for key in _COPIED)
    except BrokenFileError:
        is_same = False
    if not is_same:
        document = recipe.model_dump(
            mode="json", by_alias=True, exclude_none=True, include=set(_COPIED)
        )
        text = f"{head}\n{dump_yaml(document, width=120)}"
    return text.replace("{drivers}", "{reference}/drivers")
