"""Find which packages a program needs: what the source declares, and what its modules import."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from scaffold.authoring.drafting.python_files import Module, PythonFiles, calls_in, imported_names
from scaffold.authoring.drafting.source_files import SourceFiles
from scaffold.records.draft import Citation

DISTRIBUTIONS: Mapping[str, str] = {
    "absl": "absl-py",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "Bio": "biopython",
    "cairo": "pycairo",
    "clip": "openai-clip",
    "community": "python-louvain",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "flask_cors": "flask-cors",
    "git": "gitpython",
    "google.protobuf": "protobuf",
    "gym": "gym",
    "gymnasium": "gymnasium",
    "hydra": "hydra-core",
    "igraph": "python-igraph",
    "imblearn": "imbalanced-learn",
    "Levenshtein": "levenshtein",
    "lightgbm": "lightgbm",
    "MeCab": "mecab-python3",
    "mpl_toolkits": "matplotlib",
    "mujoco_py": "mujoco-py",
    "ogb": "ogb",
    "OpenGL": "pyopengl",
    "past": "future",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "pylab": "matplotlib",
    "pytorch_lightning": "pytorch-lightning",
    "pywt": "pywavelets",
    "ruamel": "ruamel.yaml",
    "sentence_transformers": "sentence-transformers",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "smplx": "smplx",
    "soundfile": "soundfile",
    "talib": "ta-lib",
    "tensorboard_logger": "tensorboard-logger",
    "tensorflow_probability": "tensorflow-probability",
    "tensorflow_datasets": "tensorflow-datasets",
    "torch_geometric": "torch-geometric",
    "torch_scatter": "torch-scatter",
    "torch_sparse": "torch-sparse",
    "umap": "umap-learn",
    "usb": "pyusb",
    "vowpalwabbit": "vowpalwabbit",
    "wx": "wxpython",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
    "box2d": "box2d-py",
    "Box2D": "box2d-py",
    "pycocotools": "pycocotools",
    "apex": "apex",
    "sacred": "sacred",
    "ignite": "pytorch-ignite",
    "einops_exts": "einops-exts",
}
"""Distribution of an import that goes by another name; others go by their own."""

_CONDA = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "tensorflow-gpu": "tensorflow",
    "faiss-gpu": "faiss-cpu",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "python-graphviz": "graphviz",
}


_BRINGS_ALONG = {"torch.utils.tensorboard": "tensorboard", "torch.onnx": "onnx"}
"""Distribution that a module of another one needs, and does not bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A package that a program needs.

    Attributes:
        name: of the distribution.
        requirement: as the source declares it; the bare name where it does not.
        is_declared: whether a file of the source names it.
        is_optional: imported only inside `try`.
    """

    name: str
    requirement: str
    is_declared: bool
    is_optional: bool
    place: Citation


def normal_name(name: str) -> str:
    """Return a distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_needed(files: SourceFiles, python: PythonFiles, modules: Sequence[Module]) -> list[Needed]:
    """Return what a program's modules import, with the versions that the source declares."""
    declared = find_declared(
        files, PurePosixPath(modules[0].path).parent.as_posix() if modules else ""
    )
    needed: dict[str, Needed] = {}
    for module in modules:
        optional = _in_try(module.tree, is_program=module is modules[0])
        for name, level, node in imported_names(module.tree):
            top = name.split(".")[0]
            if level or not top or _is_standard(top) or _is_own(python, modules, top):
                continue
            extra = next((d for m, d in _BRINGS_ALONG.items() if name.startswith(m)), None)
            if extra:
                declaration = declared.get(extra)
                needed.setdefault(
                    extra,
                    Needed(
                        name=extra,
                        requirement=declaration[0] if declaration else extra,
                        is_declared=declaration is not None,
                        is_optional=id(node) in optional,
                        place=module.cite(node),
                    ),
                )
            distribution = _declared_of(top, declared) or DISTRIBUTIONS.get(top, top)
            key = normal_name(distribution)
            place = module.cite(node)
            declaration = declared.get(key)
            is_optional = id(node) in optional
            if key in needed and (is_optional or not needed[key].is_optional):
                continue
            needed[key] = Needed(
                name=distribution,
                requirement=declaration[0] if declaration else distribution,
                is_declared=declaration is not None,
                is_optional=is_optional,
                place=declaration[1] if declaration else place,
            )
    return list(needed.values())


_OTHER_DISTRIBUTIONS: Mapping[str, Sequence[str]] = {
    "cv2": (
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "faiss": ("faiss-gpu",),
    "tensorflow": ("tensorflow-gpu", "tensorflow-cpu"),
}
"""Of modules that several distributions bring: those beside the one that is taken undeclared."""


def _declared_of(module: str, declared: Mapping[str, Any]) -> str | None:
    """Return the distribution that the source declares for a module that several bring."""
    return next((name for name in _OTHER_DISTRIBUTIONS.get(module, ()) if name in declared), None)


def _is_standard(name: str) -> bool:
    from stdlibs import module_names, stdlib_module_names

    return name in module_names or name in stdlib_module_names("2.7")


def _is_own(python: PythonFiles, modules: Sequence[Module], top: str) -> bool:
    """Return whether an import is of the source's own module, found as Python would find it."""
    folders = {PurePosixPath(module.path).parent for module in modules}
    ancestors = {parent for folder in folders for parent in (folder, *folder.parents)}
    for folder in (*ancestors, PurePosixPath("src")):
        stem = top if str(folder) == "." else f"{folder}/{top}"
        if f"{stem}.py" in python.modules or f"{stem}.py" in python.unparsed:
            return True
        if any(path.startswith(f"{stem}/") for path in python.modules):
            return True
    return False


def _is_start(test: ast.expr) -> bool:
    """Return whether a test asks whether the module was started: `__name__ == "__main__"`."""
    return ast.unparse(test) == "__name__ == '__main__'"


def _in_try(tree: ast.Module, *, is_program: bool) -> set[int]:
    """Return the imports that a run may do without: inside `try`, a function, or a condition.

    What a program itself imports under `if __name__ == "__main__":` is no such one.
    """
    nesting = (ast.Try, ast.FunctionDef, ast.AsyncFunctionDef, ast.If)
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, nesting)
        and not (is_program and isinstance(node, ast.If) and _is_start(node.test))
        for statement in node.body
        for inner in ast.walk(statement)
        if isinstance(inner, (ast.Import, ast.ImportFrom))
    }


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
        r"requirements?([-_.]\w+)?\.(txt|in)|environment\.ya?ml|env\.ya?ml|conda.*\.ya?ml|setup\.py|setup\.cfg"
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
    for name, call in calls_in(tree):
        if not name.endswith("setup"):
            continue
        for item in call.keywords:
            if item.arg == "install_requires" and isinstance(item.value, ast.List):
                for element in item.value.elts:
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
        if version == "*":
            required.append(key)
        elif version[:1] in "^~" and (match := re.match(r"[\^~]=?(\d+)((?:\.\d+)*)", version)):
            least = match[1] + match[2]
            major = int(match[1])
            minor = int(match[2].split(".")[1]) if match[2] else 0
            most = f"{major + 1}" if version[0] == "^" and major else f"{major}.{minor + 1}"
            required.append(f"{key}>={least},<{most}")
        else:
            required.append(key + (version if version[:1] in "<>=!" else f"=={version}"))
    return required
