"""Read how OmegaConf configures a program by `name=value` words, without running anything.

https://omegaconf.readthedocs.io: `from_cli` takes the words, `load` a file that they override.
"""

import ast
from collections.abc import Iterator, Sequence

from scaffold.authoring.drafting.fixed_values import values_of_file
from scaffold.authoring.drafting.hydra import Configuration
from scaffold.authoring.drafting.python_files import Module, calls_in
from scaffold.authoring.drafting.source_files import SourceFiles, folder_of

_ENDINGS = (".yaml", ".yml")


def read_omegaconf(files: SourceFiles, modules: Sequence[Module]) -> Configuration | None:
    """Return what a program loads under its command line; None where it does not do so.

    A name that other files beside the first one set is left out: which of them a run loads is
    decided while it runs.
    """
    calls = [named for module in modules for named in calls_in(module.tree)]
    if not any(name.endswith("OmegaConf.from_cli") for name, _ in calls):
        return None
    loads = [
        list(_literal_files(files, call)) for name, call in calls if name.endswith("OmegaConf.load")
    ]
    paths = [path for loaded in loads for path in loaded]
    if not paths:
        return None
    first, folder = paths[0], folder_of(paths[0])
    has_computed = not all(loads)
    others = [
        path
        for path in files.texts
        if path != first
        and path.endswith(_ENDINGS)
        and (path in paths or (has_computed and path.startswith(f"{folder}/" if folder else "")))
    ]
    uncertain = {name for path in others for name, _, _ in values_of_file(files, path)}
    settings = [
        (name, value, place)
        for name, value, place in values_of_file(files, first)
        if name not in uncertain and not _is_computed(value)
    ]
    return Configuration(settings=settings, targets=())


def _literal_files(files: SourceFiles, call: ast.Call) -> Iterator[str]:
    """Yield the file whose name a call says, nearest to the root: `load(folder / "base.yaml")`."""
    for node in (inner for argument in call.args for inner in ast.walk(argument)):
        if isinstance(node, ast.JoinedStr):
            return  # its file has a name that is made
        if isinstance(node, ast.Constant) and str(node.value).endswith(_ENDINGS):
            name = str(node.value).removeprefix("./")
            named = [path for path in files.texts if f"/{path}".endswith(f"/{name}")]
            yield from sorted(named, key=lambda path: (path.count("/"), path))[:1]


def _is_computed(value: object) -> bool:
    """Return whether OmegaConf computes a value, or wants it from the command line."""
    return isinstance(value, str) and ("${" in value or value == "???")
