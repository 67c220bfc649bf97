"""Read which packages a source declares: requirements, conda, setup, pyproject, Pipfile, README."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from scaffold.authoring.drafting.poetry import poetry_specifier
from scaffold.authoring.drafting.python_files import calls_in
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import Citation

_CONDA = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "tensorflow-gpu": "tensorflow",
    "faiss-gpu": "faiss-cpu",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "python-graphviz": "graphviz",
}


def normal_name(name: str) -> str:
    """Return a distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_declared(files: SourceFiles, folder: str = "") -> dict[str, tuple[str, Citation]]:
    """Return requirement and place by normal name, as the file nearest to `folder` declares it."""
    declared: dict[str, tuple[str, Citation]] = {}
    for path in _declaring(files, folder):
        for requirement, line in _requirements_in(files, path):
            name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
            if name:
                declared.setdefault(normal_name(name[0]), (requirement, files.cite(path, line)))
    for path in files.readmes()[:1]:
        for requirement, line in _of_readme(files.lines(path)):
            name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
            if name:
                declared.setdefault(normal_name(name[0]), (requirement, files.cite(path, line)))
    return declared


_LISTED = re.compile(
    r"\s*[-*+]\s+`?(?P<name>[A-Za-z][\w-]*)`?\s*(?P<op>==|>=|<=|~=|>|<|=|≥)?\s*v?"
    r"(?P<version>\d+(?:\.\d+)+)?(?P<more>\s*\+|\s*or (?:later|newer|higher|above))?\s*(?:\(.*)?$"
)


def _of_readme(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield what a README lists under a heading about requirements."""
    is_inside = False
    for number, line in enumerate(lines, start=1):
        if line.startswith("#"):
            is_inside = bool(re.search(r"require|dependen|prerequisite|environment", line, re.I))
        match = _LISTED.match(line) if is_inside else None
        if match is None or match["name"].lower() in ("python", "cuda", "cudnn", "ubuntu", "linux"):
            continue
        name = _CONDA.get(match["name"].lower(), match["name"])
        if not match["version"]:
            yield name, number
        elif match["more"] or match["op"] in (">=", "≥"):
            yield f"{name}>={match['version']}", number
        elif match["op"] in ("<", "<=", ">", "~="):
            yield f"{name}{match['op']}{match['version']}", number
        else:
            yield f"{name}=={match['version']}", number


def _declaring(files: SourceFiles, folder: str) -> list[str]:
    """Return the files that declare packages, those of a folder before those above it."""
    names = re.compile(
        r"requirements?([-_.]\w+)?\.(txt|in)|(conda[\w.-]*|[\w-]*env(ironment)?)\.ya?ml|setup\.py|setup\.cfg"
        r"|pyproject\.toml|pipfile",
        re.IGNORECASE,
    )
    paths = [
        path
        for path in files.texts
        if names.fullmatch(PurePosixPath(path).name)
        and not re.search(r"dev|test|doc|lint", PurePosixPath(path).name)
    ]
    places = [folder or ".", *(str(p) for p in PurePosixPath(folder or ".").parents)]
    near = [path for path in paths if str(PurePosixPath(path).parent) in places]
    return sorted(
        near, key=lambda p: (places.index(str(PurePosixPath(p).parent)), "require" not in p, p)
    )


def _requirements_in(files: SourceFiles, path: str) -> Iterable[tuple[str, int]]:
    """Return what a file declares, with the line of each."""
    name = PurePosixPath(path).name.lower()
    lines = files.lines(path)
    if name.endswith((".txt", ".in")):
        return _of_requirements(lines)
    if name.endswith((".yml", ".yaml")):
        return _of_conda(lines)
    if name == "setup.py":
        return _setup_py(files, path)
    if name == "setup.cfg":
        return _of_setup_cfg(lines)
    return _toml(lines, files.texts[path], name)


def _of_requirements(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(lines, start=1):
        text = re.split(r"\s#|^#|;|\s--", line)[0].strip()
        if text and not text.startswith(("-", "git+", "http", "/", ".")):
            yield _clean(text), number


_NO_PACKAGES = ("defaults", "pip", "conda-forge", "python", "pytorch-cuda", "cudatoolkit")


def _of_conda(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(lines, start=1):
        match = re.match(r"\s*-\s*(?:[\w-]+::)?([A-Za-z0-9][\w.-]*)\s*([=<>!~]=?.*)?$", line)
        if match and match[1].lower() not in _NO_PACKAGES:
            name = _CONDA.get(match[1].lower(), match[1])
            yield _clean(name + _conda_version(match[2] or "")), number


def _of_setup_cfg(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    is_inside = False
    for number, line in enumerate(lines, start=1):
        begins = line.startswith("install_requires")
        is_inside = begins or (is_inside and line[:1] in (" ", "\t"))
        text = (line.partition("=")[2] if begins else line).strip()
        if is_inside and text:
            yield _clean(text), number


def _clean(text: str) -> str:
    return re.sub(r"\s*([=<>!~]=?=?)\s*", r"\1", text.split(" #")[0]).strip().strip("'\",")


def _conda_version(text: str) -> str:
    """Return a conda pin as pip writes it: `=1.2=py_0` is `==1.2.*`."""
    match = re.match(r"=([\d.*]+)(=.*)?$", text)
    if not match:
        return text
    version = match[1].rstrip("*").rstrip(".")
    return f"=={version}.*" if version.count(".") < 2 else f"=={version}"


def _setup_py(files: SourceFiles, path: str) -> Iterable[tuple[str, int]]:
    try:
        tree = ast.parse(files.texts[path])
    except (SyntaxError, ValueError):
        return
    lists = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for name, call in calls_in(tree):
        if not name.endswith("setup"):
            continue
        for item in call.keywords:
            value = lists.get(item.value.id) if isinstance(item.value, ast.Name) else item.value
            if item.arg == "install_requires" and isinstance(value, ast.List):
                for element in value.elts:
                    if isinstance(element, ast.Constant) and isinstance(element.value, str):
                        yield _clean(element.value), element.lineno


def _toml(lines: Sequence[str], text: str, name: str) -> Iterable[tuple[str, int]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        document: Any = tomllib.loads(text)
    except ValueError:
        return
    required: list[str] = []
    if name == "pipfile":
        required += _versions(document.get("packages"))
    else:
        project = document.get("project")
        listed = project.get("dependencies") if isinstance(project, dict) else None
        required += [item for item in listed or [] if isinstance(item, str)]
        tool = document.get("tool")
        poetry = tool.get("poetry") if isinstance(tool, dict) else None
        required += _versions(poetry.get("dependencies")) if isinstance(poetry, dict) else []
    for requirement in required:
        bare = re.split(r"[\[<>=!~;\s]", requirement)[0]
        number = next((n for n, line in enumerate(lines, start=1) if bare and bare in line), 1)
        yield _clean(requirement.split(";")[0]), number


def _versions(table: Any) -> list[str]:
    """Return a poetry or Pipfile table as requirements, without what is no version of an index."""
    required = []
    for key, value in table.items() if isinstance(table, dict) else ():
        version = value.get("version") if isinstance(value, dict) else value
        if key.lower() == "python" or not isinstance(version, str):
            continue
        required.append(key + (poetry_specifier(version) or ""))
    return required
