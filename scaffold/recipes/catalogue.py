"""Where recipes are found: ours by id, a folder, a file, or a git URL.

Reads them; runs nothing of them.
"""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import scaffold
from scaffold.errors import FetchError, InstallationError, UsageError
from scaffold.project.files import read_record, read_text
from scaffold.recipes.added import added_recipes
from scaffold.records.evidence import Calibration
from scaffold.records.fields import check_git_url, check_relpath
from scaffold.records.parsing import parse_record
from scaffold.records.recipe import Recipe
from scaffold.records.yaml_edit import remove_block


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRecipe:
    """A recipe that was read, with the folder its files lie in.

    `origin` says where it came from: an id of ours, a path, or `URL@revision:path` with the full
    revision.
    """

    recipe: Recipe
    text: str
    folder: Path
    origin: str

    @property
    def is_ours(self) -> bool:
        """Return whether it came with this installation, and so was reviewed."""
        return self.folder == data_dir("recipes") / self.recipe.id

    def calibration(self) -> Calibration | None:
        """Return the calibration runs that came with it."""
        name = self.recipe.calibration
        return read_record(Calibration, self.folder / name) if name else None


def data_dir(name: str) -> Path:
    """Return the folder of bundled `recipes`, `templates` or `docs`.

    Beside the package, or in the checkout.

    Raises:
        InstallationError: neither is there.
    """
    package = Path(scaffold.__file__).parent
    # The checkout first: an editable install leaves a stale copy of forced files in site-packages.
    for folder in (package.parent / name, package / "_data" / name):
        if folder.is_dir() and (
            folder.parent != package.parent or (package.parent / "pyproject.toml").is_file()
        ):
            return folder
    raise InstallationError(
        f"this installation has no {name}: neither {package / '_data' / name} nor a checkout"
    )


def recipe_ids() -> list[str]:
    """Return the ids of the bundled recipes."""
    return sorted(path.parent.name for path in data_dir("recipes").glob("*/recipe.yaml"))


def known_recipes() -> list[FoundRecipe]:
    """Return the recipes that go by an id here: the bundled ones, and those that were added."""
    bundled = recipe_ids()
    added = [key for key in added_recipes() if key not in bundled]
    return [find_recipe(key, offline=True) for key in (*bundled, *added)]


def without_calibration(source: str, experiment: str | None = None) -> FoundRecipe:
    """Return the same recipe without calibration runs, to make them from; of one experiment."""
    if "://" in source:
        raise UsageError(
            "a recipe of a git URL cannot be calibrated where it lies",
            hint="clone it and name its folder",
        )
    path = Path(source) if Path(source).exists() else data_dir("recipes") / source
    folder = (path.parent if path.is_file() else path).absolute()
    if not (folder / "recipe.yaml").is_file():
        return find_recipe(source)  # it says what is wrong with the name
    text = remove_block(read_text(folder / "recipe.yaml"), "calibration")
    recipe = parse_record(Recipe, text, source=f"{folder.name}/recipe.yaml")
    recipe = choose_experiment(recipe, experiment)
    recipe = recipe.model_copy(update={"calibration": None, "experiments": ()})
    return FoundRecipe(recipe=recipe, text=text, folder=folder, origin=str(folder))


def choose_experiment(recipe: Recipe, name: str | None) -> Recipe:
    """Return a recipe as that of one experiment.

    Raises:
        UsageError: it has none of that name.
    """
    try:
        return recipe.of_experiment(name)
    except KeyError as error:
        known = ", ".join(one.name for one in recipe.experiments)
        raise UsageError(
            f"the recipe {recipe.id} has no experiment {name!r}",
            hint=f"it has: {known}" if known else "it has none: leave --experiment out",
        ) from error


def is_without_recipe(source: str) -> bool:
    """Return whether a source is a repository or a folder that may have to be drafted from."""
    if source in recipe_ids() or source in added_recipes():
        return False
    path = Path(source)
    return (
        "://" in source
        or source.startswith(("hf:", "pypi:"))
        or (path.is_dir() and not (path / "recipe.yaml").is_file())
    )


def find_recipe(source: str, *, offline: bool = False) -> FoundRecipe:
    """Read the recipe that `--from` names.

    Raises:
        UsageError: there is none of that name; the nearest ids are offered.
        BrokenFileError: it has problems; all are listed.
        FetchError: it lies in a git repository that does not give it.
    """
    if "://" in source:
        return _from_git(source, offline=offline)
    if source in recipe_ids():
        return _read(
            data_dir("recipes") / source, origin=source, shown=f"recipes/{source}/recipe.yaml"
        )
    path = Path(source)
    if path.is_dir() and (path / "recipe.yaml").is_file():
        return _read(path.absolute(), origin=str(path.absolute()), shown=str(path / "recipe.yaml"))
    if path.is_file() and path.name == "recipe.yaml":
        return _read(path.parent.absolute(), origin=str(path.parent.absolute()), shown=str(path))
    if source and path.exists():
        raise UsageError(
            f"{source} is neither a recipe.yaml nor a folder with one", hint="scaffold recipes list"
        )
    added = added_recipes()
    if source in added and not path.exists():
        return _from_git(added[source], offline=offline)
    known = [*recipe_ids(), *added]
    if "/" in source:
        raise UsageError(f"there is no folder {source}", hint="all recipes: scaffold recipes list")
    near = difflib.get_close_matches(source, known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(
        f"there is no recipe {source!r}", hint=f"{hint}all of them: scaffold recipes list"
    )


def _read(folder: Path, *, origin: str, shown: str) -> FoundRecipe:
    text = read_text(folder / "recipe.yaml")
    recipe = parse_record(Recipe, text, source=shown)
    missing = [name for name in recipe.recipe_files() if not (folder / name).is_file()]
    if missing:
        hint = (
            f"make it: scaffold recipes calibrate {folder}"
            if all(name.startswith("calibration") for name in missing)
            else None
        )
        raise UsageError(
            f"{shown} names files that are not beside it: {', '.join(missing)}", hint=hint
        )
    require_own_files(recipe, folder)
    return FoundRecipe(recipe=recipe.of_experiment(), text=text, folder=folder, origin=origin)


def require_own_files(recipe: Recipe, folder: Path) -> None:
    """Raise UsageError if a file that a recipe names is a link out of its folder."""
    outside = [
        name
        for name in recipe.recipe_files()
        if not (folder / name).resolve().is_relative_to(folder.resolve())
    ]
    if outside:
        raise UsageError(
            f"recipe.yaml names files that are links out of its folder: {', '.join(outside)}"
        )


_GIT_SOURCE = re.compile(
    r"(?P<url>\w+://(?:[^/@]*@)?[^@]+?)(?:@(?P<revision>[^@:]+)(?::(?P<path>[^@:]+))?)?"
)
_PAGE = re.compile(
    r"(?P<url>https://[^/@]+/[^/@]+/[^/@]+)/(?:tree|blob)/(?P<revision>[^/@]+)(?:/(?P<path>[^@]+))?"
)
"""A page of a forge, as people copy it from a browser."""


def pin_git_source(source: str) -> tuple[str, str, str]:
    """Return URL, full revision and path of URL[@revision[:path]], or of a forge's page.

    Without a revision it is what the default branch names today.

    Raises:
        UsageError: it has not that form.
        FetchError: the remote has no such revision.
    """
    from scaffold.references import git

    match = _PAGE.fullmatch(source.rstrip("/")) or _GIT_SOURCE.fullmatch(source.rstrip("/"))
    if not match:
        raise UsageError(f"{source} is no URL of a git repository", hint="write URL@revision:path")
    url, revision = match["url"], match["revision"] or "HEAD"
    path = (match["path"] or "").removesuffix("recipe.yaml").strip("/")
    try:
        check_git_url(url)
        if path:
            check_relpath(path)
    except ValueError as error:
        raise UsageError(f"{source}: {error}") from error
    if revision.startswith("-"):
        raise UsageError(f"{revision!r} is not a revision")
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        if re.fullmatch(r"[0-9a-f]{4,39}", revision):
            raise UsageError(
                f"{revision} is not a full revision",
                hint="write all 40 hex digits, or a branch or tag",
            )
        revision = git.resolve(url, revision)
    return url, revision, path


def _from_git(source: str, *, offline: bool) -> FoundRecipe:
    from scaffold.cache import cache_dir
    from scaffold.references import git

    url, revision, path = pin_git_source(source)
    cache = git.cached_commit(url, revision, offline=offline)
    tree = cache.find_id(f"{revision}:{path}")
    if tree is None:
        raise FetchError(f"{url} at {revision} has no folder {path!r}")
    folder = cache_dir("recipes") / tree
    if not folder.exists():
        cache.extract(tree, folder)
    if not (folder / "recipe.yaml").is_file():
        raise FetchError(f"{url} at {revision} has no {path + '/' if path else ''}recipe.yaml")
    return _read(
        folder,
        origin=f"{url}@{revision}" + (f":{path}" if path else ""),
        shown=f"{path or '.'}/recipe.yaml",
    )
