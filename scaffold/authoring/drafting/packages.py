"""Find which packages a program needs: what the source declares, and what its modules import."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from scaffold.authoring.drafting.declared_packages import find_declared, normal_name
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
    "torchcrf": "pytorch-crf",
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
                extra = _declared_of(extra, declared) or extra
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
    if _imports_by_name(modules):
        for key, (requirement, place) in declared.items():
            if key not in needed and not _TOOLS.fullmatch(key):
                needed[key] = Needed(
                    name=key,
                    requirement=requirement,
                    is_declared=True,
                    is_optional=False,
                    place=place,
                )
    return list(needed.values())


_TOOLS = re.compile(
    r"(pytest|pre-commit|black|flake8|isort|mypy|pylint|ruff|yapf|sphinx|jupyter|notebook|ipython"
    r"|ipykernel|ipdb|tox|twine|coverage|codecov|jupyterlab)(-.*)?"
)
"""What is declared for those who work on a source, and no program imports."""


def _imports_by_name(modules: Sequence[Module]) -> bool:
    """Return whether a program imports what a setting names, so that its imports tell too little.

    `importlib.import_module(name)`, `hydra.utils.instantiate(config)`, or `gym.make(name)`, which
    imports packages that bring environments.
    """
    return any(
        (
            name.rpartition(".")[2] in ("import_module", "__import__", "instantiate")
            or name in ("gym.make", "gymnasium.make")
        )
        and not (call.args and isinstance(call.args[0], ast.Constant))
        for module in modules
        for name, call in calls_in(module.tree)
    )


_OTHER_DISTRIBUTIONS: Mapping[str, Sequence[str]] = {
    "cv2": (
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "faiss": ("faiss-gpu",),
    "progressbar": ("progressbar2", "progressbar33"),
    "tensorboard": ("tb-nightly",),
    "tensorflow": ("tensorflow-gpu", "tensorflow-cpu"),
}
"""Of modules that several distributions bring: those beside the one that is taken undeclared."""


_OF_CONDA = re.compile(r"conda|\.ya?ml$", re.IGNORECASE)
"""Files that declare packages by the names of another index: its py-opencv is opencv-python."""


def _declared_of(module: str, declared: Mapping[str, Any]) -> str | None:
    """Return the distribution that the source declares for a module that several bring.

    Or for one that goes by another name: pytorch-crf brings torchcrf.
    """
    others = (name for name in _OTHER_DISTRIBUTIONS.get(module, ()) if name in declared)
    plain = re.sub(r"[-_.]", "", module.lower())
    alike = {f"py{plain}", f"python{plain}", f"{plain}py", f"{plain}python"}
    return next(others, None) or next(
        (
            name
            for name, (_, place) in declared.items()
            if re.sub(r"[-_.]", "", name) in alike and not _OF_CONDA.search(place.path)
        ),
        None,
    )


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
