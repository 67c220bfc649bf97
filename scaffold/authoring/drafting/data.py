"""Find which data a program reads, and where they come from."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from scaffold.authoring.drafting.command_words import Role, StatedCommand
from scaffold.authoring.drafting.data_names import (
    CONFIGURATION_FILES,
    DATA_SUFFIXES,
    ENVIRONMENTS,
    GENERATORS,
    HUB_CALLS,
    KNOWN_DATASETS,
    LIBRARIES,
    LIBRARY_CALLS,
    OWN_GENERATORS,
    READERS,
    is_data_name,
)
from scaffold.authoring.drafting.python_files import (
    Module,
    calls_in,
    dotted_name,
    full_names,
    keyword,
)
from scaffold.authoring.drafting.source_files import SourceFiles, folder_of
from scaffold.records.draft import Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundData:
    """Data that a program reads.

    Attributes:
        name: of the dataset, as the source writes it.
        kind: `library` (a library downloads or carries them), `url`, `hub`, `inside` (files of the
            source), `generated`.
        detail: the call, the URL, the repository on the Hub, the path.
        needs_network: whether the program fetches them when it runs.
        scopes: the classes and functions that name them, as words: `MRDataset` is mr, dataset.
    """

    name: str
    kind: str
    detail: str
    needs_network: bool
    place: Citation
    scopes: frozenset[str] = frozenset()


def find_data(
    files: SourceFiles,
    modules: Sequence[Module],
    commands: Sequence[StatedCommand],
    words: Mapping[str, Citation],
) -> list[FoundData]:
    """Return the data of a program, and of the downloads that the source states; each once.

    Args:
        files: the source.
        modules: of the program.
        commands: all that are stated.
        words: values of the program's options in effect, with the place of each: file names are
            often among them.
    """
    datasets = [*_named_files(files, words)]
    called = {name.rpartition(".")[2] for module in modules for name, _ in calls_in(module.tree)}
    for module in modules:
        names = full_names(module.tree)
        for written, call in calls_in(module.tree):
            first, _, attributes = written.partition(".")
            known = names.get(first, "")
            is_library = known.split(".")[0] in LIBRARIES
            name = f"{known}.{attributes}".rstrip(".") if is_library else written
            datasets += _of_call(files, module, name, call, words)
            datasets += _chosen_by_name(module, call, words)
        datasets += _classes_of_libraries(module)
        datasets += _folders_of_parameters(files, module, called)
    for module in modules:
        datasets += _urls(module)
        datasets += _drawn(module)
    datasets += [data for command in commands for data in _downloads(command)]
    distinct = {(data.kind, data.name.lower()): data for data in reversed(datasets)}
    first_seen = [*distinct.values()]
    first_seen.reverse()
    return sorted(first_seen, key=lambda data: _ORDER.index(data.kind))


def _named_files(files: SourceFiles, words: Mapping[str, Citation]) -> Iterator[FoundData]:
    """Yield files of the source that an option's value names."""
    for word, place in words.items():
        path = word.removeprefix("./")
        folder = path.rstrip("/")
        is_file = path in files.paths and not CONFIGURATION_FILES.search(path)
        if is_file and (path.lower().endswith(DATA_SUFFIXES) or _is_data(path)):
            yield _found(PurePosixPath(path).name, "inside", path, False, place)
        elif not is_file and (matching := _of_name(files, path)):
            yield _found(PurePosixPath(path).name, "inside", matching[0], False, place)
        elif _is_data(f"{folder}/x") and any(p.startswith(f"{folder}/") for p in files.paths):
            yield _found(PurePosixPath(folder).name, "inside", folder, False, place)


def _downloads(command: StatedCommand) -> Iterator[FoundData]:
    """Yield what a stated `wget` or `curl` fetches."""
    if command.role is not Role.PREPARE or command.program:
        return
    for word in command.argv:
        if re.match(r"https?://", word):
            name = PurePosixPath(word.split("?")[0]).name
            if is_data_name(name):
                yield _found(name, "url", word, True, command.place)


_ORDER = ("library", "hub", "generated", "inside", "url")


def _of_call(
    files: SourceFiles, module: Module, name: str, call: ast.Call, words: Mapping[str, Citation]
) -> list[FoundData]:
    place = module.cite(call)
    if HUB_CALLS.search(name) and not re.search(r"sns|seaborn", name):
        dataset = module.fold(call.args[0]) if call.args else module.fold(keyword(call, "path"))
        if isinstance(dataset, str):
            is_file = dataset in ("csv", "json", "text", "parquet", "imagefolder")
            if not is_file:
                return [_found(dataset, "hub", dataset, True, place)]
        return []
    of_library = _of_library(module, name, call, place)
    if of_library is not None:
        return [of_library]
    if GENERATORS.search(name):
        return [_found(name.split("make_")[-1], "generated", name, False, place)]
    if ENVIRONMENTS.search(name) and call.args and isinstance(module.fold(call.args[0]), str):
        environment = str(module.fold(call.args[0]))
        return [_found(environment, "generated", environment, False, place)]
    if READERS.search(name):
        return _inside(files, module, call, words)
    return []


_WRITES = re.compile(r"save|plot|out|result|log|fig|write|export|dump|ckpt|model", re.IGNORECASE)


def _folders_of_parameters(
    files: SourceFiles, module: Module, called: Collection[str]
) -> Iterator[FoundData]:
    """Yield the source's folders of data that a called function reads unless told another one."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.FunctionDef) or node.name not in called:
            continue
        for default in (*node.args.defaults, *node.args.kw_defaults):
            path = default.value if isinstance(default, ast.Constant) else None
            if not isinstance(path, str) or "/" not in path:
                continue
            folder = re.sub(r"^(\.{1,2}/)+", "", path).rstrip("/")
            is_there = any(one.startswith(f"{folder}/") for one in files.paths)
            is_written = _WRITES.search(node.name) or _WRITES.search(folder)
            if folder and is_there and _is_data(f"{folder}/x") and not is_written:
                name = PurePosixPath(folder).name
                yield _found(name, "inside", folder, False, module.cite(node))


def _classes_of_libraries(module: Module) -> Iterator[FoundData]:
    """Yield datasets of libraries that are named without a call.

    `dataset = datasets.CIFAR10` is called later, `class Mine(CelebA)` makes one of its own.
    """
    for node in ast.walk(module.tree):
        named: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            named = [node.value]
        elif isinstance(node, ast.ClassDef):
            named = node.bases
        for expression in named:
            name = dotted_name(expression)
            if name and KNOWN_DATASETS.fullmatch(name.rpartition(".")[2]):
                last = name.rpartition(".")[2]
                yield _found(last, "library", f"datasets.{last}", True, module.cite(expression))


def _chosen_by_name(
    module: Module, call: ast.Call, words: Mapping[str, Citation]
) -> list[FoundData]:
    """Return what `datasets.__dict__[args.dataset]` or `getattr(datasets, name)` loads."""
    holder: ast.AST | None = None
    if isinstance(call.func, ast.Subscript):
        holder = call.func.value
    elif dotted_name(call.func) == "getattr" and call.args:
        holder = call.args[0]
    if holder is None or not re.search(r"(^|\.)datasets(\.__dict__)?$", dotted_name(holder)):
        return []
    place = module.cite(call)
    named = [word for word in words if KNOWN_DATASETS.fullmatch(word)]
    return [_found(word, "library", f"datasets.{word}", True, place) for word in named[:1]]


def _of_library(module: Module, name: str, call: ast.Call, place: Citation) -> FoundData | None:
    """Return the dataset that a library loads, downloading it or not; None for another call."""
    for pattern, is_fetched in LIBRARY_CALLS:
        match = pattern.search(name)
        if not match:
            continue
        groups = [word for word in match.groups() if word and not word.endswith(".")]
        dataset = groups[-1] if groups else name
        if name.endswith("tfds.load") and call.args:
            dataset = str(module.fold(call.args[0]))
        if dataset in ("ImageFolder", "DatasetFolder", "FakeData"):
            return None
        return _found(dataset, "library", name.lstrip("."), is_fetched, place)
    return None


def _inside(
    files: SourceFiles, module: Module, call: ast.Call, words: Mapping[str, Citation]
) -> list[FoundData]:
    """Return the file of the source that a reader is given: by a literal path, or a pattern of one.

    Several may match a pattern: then those that an option in effect names.
    """
    if not call.args:
        return []
    path = module.fold(call.args[0])
    folder = folder_of(module.path)
    bases = ("", f"{folder}/" if folder else "")
    if isinstance(path, str):
        clean = path.removeprefix("./")
        matching = [base + clean for base in bases if base + clean in files.paths]
    else:
        pattern = _pattern_of(call.args[0])
        below = "|".join(map(re.escape, bases))
        matching = [p for p in files.paths if pattern and re.fullmatch(f"({below}){pattern}", p)]
        named = [
            p for p in matching if any(len(w) > 2 and w in p.rpartition("/")[2] for w in words)
        ]
        matching = named or matching
    data = sorted(p for p in matching if _is_data(p) or (isinstance(path, str) and _is_no_code(p)))
    if not data and isinstance(path, str):
        data = _of_name(files, path)
    if not data:
        return []
    return [_found(PurePosixPath(data[0]).name, "inside", data[0], False, module.cite(call))]


_CODE = re.compile(
    r"\.(py|pyx|ipynb|md|rst|txt|json|ya?ml|toml|cfg|ini|sh|html?|js|css)$|^[^.]*$", re.IGNORECASE
)


def _is_no_code(path: str) -> bool:
    """Return whether a file that a program opens by its whole name is neither code nor settings."""
    return not _CODE.search(PurePosixPath(path).name)


def _of_name(files: SourceFiles, path: str) -> list[str]:
    """Return the only file of data with the name of one that lies elsewhere, as with its author."""
    name = PurePosixPath(path.replace("\\", "/")).name
    matching = [other for other in files.paths if PurePosixPath(other).name == name]
    is_one = len(matching) == 1 and name.lower().endswith(DATA_SUFFIXES)
    return matching if is_one and not CONFIGURATION_FILES.search(matching[0]) else []


def _is_data(path: str) -> bool:
    folders = [part.lower() for part in PurePosixPath(path).parts[:-1]]
    is_kept_as_data = any(
        part in ("data", "dataset", "datasets", "corpus", "input") for part in folders
    )
    return is_kept_as_data or path.lower().endswith(DATA_SUFFIXES[:2] + DATA_SUFFIXES[4:])


def _pattern_of(node: ast.expr) -> str | None:
    """Return a regular expression of the paths that an f-string or `format` call gives."""
    text: str | None = None
    if isinstance(node, ast.JoinedStr):
        text = "".join(
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"[^/]+"
            for part in node.values
        )
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
        and isinstance(node.func.value, ast.Constant)
    ):
        parts = re.split(r"\{[^{}]*\}", str(node.func.value.value))
        text = r"[^/]+".join(re.escape(part) for part in parts)
    elif isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant):
        parts = re.split(r"%[sd]", str(node.left.value))
        text = r"[^/]+".join(re.escape(part) for part in parts)
    if text is None or not re.search(r"[A-Za-z]{3}", text) or "/" not in text:
        return None
    return text.removeprefix(r"\./")


def _urls(module: Module) -> list[FoundData]:
    """Return URLs of data files that a module names."""
    datasets = []
    scopes = _scopes(module.tree)
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        match = re.fullmatch(r"(https?|ftp)://[^\s'\"]+", node.value.strip())
        if not match:
            continue
        name = PurePosixPath(node.value.split("?")[0]).name
        is_folder = node.value.strip().endswith("/") and KNOWN_DATASETS.fullmatch(name)
        if is_data_name(name) or is_folder:
            data = _found(name, "url", node.value.strip(), True, module.cite(node))
            datasets.append(replace(data, scopes=scopes.get(node, frozenset())))
    return datasets


_DRAWS = re.compile(r"\brandom\.|\.rand(n|int|perm)?$")


def _drawn(module: Module) -> Iterator[FoundData]:
    """Yield the data that a function of the source draws; it goes by the name of its folder."""
    for node in module.tree.body:
        if not isinstance(node, ast.FunctionDef) or not OWN_GENERATORS.fullmatch(node.name):
            continue
        called = [name for name, _ in calls_in(node)]
        if any(map(_DRAWS.search, called)) and not any(map(READERS.search, called)):
            name = PurePosixPath(module.path).parent.name or node.name
            yield _found(name, "generated", node.name, False, module.cite(node))


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def _scopes(tree: ast.Module) -> dict[ast.AST, frozenset[str]]:
    """Return the words of the names of the classes and functions around each node."""
    words: dict[ast.AST, frozenset[str]] = {}
    for scope in ast.walk(tree):
        if isinstance(scope, (ast.ClassDef, ast.FunctionDef)):
            name = frozenset(word.lower() for word in _WORD.findall(scope.name))
            for node in ast.walk(scope):
                words[node] = words.get(node, frozenset()) | name
    return words


def _found(name: str, kind: str, detail: str, needs_network: bool, place: Citation) -> FoundData:
    return FoundData(name=name, kind=kind, detail=detail, needs_network=needs_network, place=place)
