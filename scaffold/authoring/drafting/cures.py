"""Know why programs of others fail on another machine, and what cures each. Pure."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePosixPath
from typing import Any

from scaffold.authoring.drafting.declared_packages import normal_name
from scaffold.authoring.drafting.packages import DISTRIBUTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """A change of a draft that may let its program run.

    Attributes:
        code: the class of failure.
        key: the field of the recipe that changes; empty where a person must see to it.
        value: what it becomes.
        why: what failed, and what the change does.
    """

    code: str
    key: str
    value: Any
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A run that failed.

    Attributes:
        output: what it printed, the end of it.
        document: the recipe, as plain data.
        paths: every path of the source.
    """

    output: str
    document: Mapping[str, Any]
    paths: Collection[str]

    @property
    def packages(self) -> list[str]:
        """Return the packages that the recipe asks for."""
        return list(self.document.get("environment", {}).get("packages", ()))


def find_cure(failed: Failed) -> Cure | None:
    """Return the first cure of the table that fits; None for a failure of no known class."""
    for pattern, cure in _TABLE:
        matches = list(re.finditer(pattern, failed.output, re.MULTILINE))
        if matches:
            proposed = cure(failed, matches[-1])
            if proposed is not None:
                return proposed
    return None


def _missing_module(failed: Failed, match: re.Match[str]) -> Cure | None:
    name = match["module"]
    top = name.split(".")[0]
    folders = sorted(
        {
            str(PurePosixPath(p).parent)
            for p in failed.paths
            if re.search(rf"(^|/){re.escape(top)}(\.py|/__init__\.py)$", p)
        }
    )
    if folders:
        folder = folders[0] if not folders[0].endswith(f"/{top}") else folders[0][: -len(top) - 1]
        value = "{reference}" if folder in (".", top) else f"{{reference}}/{folder}"
        return Cure(
            code="import_path",
            key=f"{_step(failed)}.variables",
            value={"PYTHONPATH": value},
            why=f"{name} is a module of the source in {folder}/, which Python does not look into",
        )
    distribution = DISTRIBUTIONS.get(name, DISTRIBUTIONS.get(top, top))
    if any(normal_name(_bare(package)) == normal_name(distribution) for package in failed.packages):
        return None
    return Cure(
        code="missing_module",
        key="environment.packages",
        value=[*failed.packages, distribution],
        why=f"the program imports {name}, which is not there: {distribution} is added",
    )


def _bare(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0]


_REMOVED: Sequence[tuple[str, str, str]] = (
    (
        r"module 'numpy' has no attribute '(float|int|bool|object|str|complex|long|unicode)'",
        "numpy",
        "<1.24",
    ),
    (
        r"`np\.\w+` was removed in the NumPy 2\.0"
        r"|numpy\.core\.multiarray failed to import|_ARRAY_API not found",
        "numpy",
        "<2",
    ),
    (r"cannot import name 'gcd' from 'fractions'", "networkx", ">=2.6"),
    (
        r"module 'networkx' has no attribute '(from_numpy_matrix|to_numpy_matrix"
        r"|from_scipy_sparse_matrix)'",
        "networkx",
        "<3",
    ),
    (
        r"cannot import name 'plot_(confusion_matrix|roc_curve)' from 'sklearn",
        "scikit-learn",
        "<1.2",
    ),
    (r"cannot import name 'load_boston'|`load_boston` has been removed", "scikit-learn", "<1.2"),
    (r"'DataFrame' object has no attribute '(append|iteritems|ix)'", "pandas", "<2"),
    (
        r"module 'scipy' has no attribute|cannot import name '\w+' from 'scipy\.misc'",
        "scipy",
        "<1.3",
    ),
    (r"cannot import name '\w+' from 'torchtext\.(data|datasets|legacy)", "torchtext", "<0.9"),
    (r"module 'PIL\.Image' has no attribute '(ANTIALIAS|LINEAR)'", "pillow", "<10"),
    (
        r"cannot import name '(Mapping|Iterable|MutableMapping|Sequence"
        r"|Callable)' from 'collections'",
        "",
        "python<3.10",
    ),
    (
        r"expected np\.ndarray \(got|module 'gym' has no attribute"
        r"|too many values to unpack \(expected 4\)",
        "gym",
        "<0.26",
    ),
)  # from the libraries' own release notes, read 2026-11


def _removed_api(failed: Failed, match: re.Match[str]) -> Cure | None:
    for pattern, package, constraint in _REMOVED:
        if not re.search(pattern, failed.output):
            continue
        if not package:
            return Cure(
                code="removed_api",
                key="environment.python",
                value="<3.10",
                why=f"{match[0].strip()}: Python 3.10 removed it",
            )
        others = [p for p in failed.packages if normal_name(_bare(p)) != normal_name(package)]
        value = [*others, f"{package}{constraint}"]
        if value == failed.packages:
            return None
        return Cure(
            code="removed_api",
            key="environment.packages",
            value=value,
            why=f"{match[0].strip()}: {package}{constraint} fits",
        )
    return None


def _no_network(failed: Failed, match: re.Match[str]) -> Cure | None:
    commands = failed.document.get("commands", {})
    prepare, smoke = commands.get("prepare"), commands.get("smoke")
    if prepare is not None and prepare.get("network"):
        return None
    command = prepare or smoke
    if command is None:
        return None
    return Cure(
        code="no_network",
        key="commands.prepare",
        value={**command, "timeout_s": 3600, "network": True},
        why=(
            f"{match[0].strip()[:100]}: it fetches something when it runs, and a run"
            " has no network;"
            " a step before it fetches, with the network"
        ),
    )


def _missing_file(failed: Failed, match: re.Match[str]) -> Cure | None:
    path = match["path"].removeprefix("./")
    if path.startswith("/"):
        path = re.sub(r"^.*/tree/", "", path)
    folders = [
        str(PurePosixPath(p).parents[len(PurePosixPath(path).parts) - 1])
        for p in failed.paths
        if p.endswith(f"/{path}")
    ]
    if folders:
        return Cure(
            code="wrong_folder",
            key=f"{_step(failed)}.directory",
            value=folders[0],
            why=f"{path} is there when the command runs in {folders[0]}/",
        )
    parent = str(PurePosixPath(path).parent)
    is_output = parent not in (".", "") and not any(
        p.startswith(f"{parent}/") for p in failed.paths
    )
    if is_output and not failed.document.get("commands", {}).get("prepare"):
        return Cure(
            code="missing_folder",
            key="commands.prepare",
            value={
                "run": ["python", "-c", f"import os; os.makedirs({parent!r}, exist_ok=True)"],
                "timeout_s": 60,
            },
            why=f"the program writes {path}, and does not make {parent}/",
        )
    return Cure(
        code="missing_data",
        key="",
        value=None,
        why=f"{path} is missing: place it under `datasets`, with its digest",
    )


def _no_gpu(_: Failed, match: re.Match[str]) -> Cure | None:
    return Cure(
        code="no_gpu",
        key="resources.device",
        value="cuda",
        why=f"{match[0].strip()[:100]}: the program asks for a GPU, and this machine has none",
    )


def _unknown_flag(failed: Failed, match: re.Match[str]) -> Cure | None:
    flags = [word for word in match["flags"].split() if word.startswith("-")]
    step = _step(failed)
    command = failed.document.get("commands", {}).get(step.split(".")[1], {})
    run = command.get("run", "")
    if not flags or not isinstance(run, str):
        return None
    value = re.sub(rf"\s{re.escape(flags[0])}(?=[\s=]|$)(=\S+|\s+(?!-)\S+)?", "", run)
    if value == run:
        return None
    return Cure(
        code="unknown_flag", key=f"{step}.run", value=value, why=f"the program has no {flags[0]}"
    )


def _wants_terminal(_: Failed, match: re.Match[str]) -> Cure | None:
    return Cure(
        code="wants_terminal",
        key="",
        value=None,
        why=f"{match[0].strip()[:100]}: the program asks a question; a flag or a patch"
        " must answer it",
    )


def _step(failed: Failed) -> str:
    commands = failed.document.get("commands", {})
    return "commands.smoke" if "smoke" in commands else "commands.train"


_NEEDS_WHEEL = re.compile(r"Wheels are required for `(?P<name>[\w.-]+)`")
"""How uv ends what it says of a package that it may not build."""


def find_build_cure(
    document: Mapping[str, Any], message: str, has_wheel: Callable[[str], bool]
) -> Cure | None:
    """Return that a package is built, where its authors publish its source alone.

    Args:
        document: the recipe, as plain data.
        message: why the environment could not be made.
        has_wheel: whether an index has a wheel of what a requirement admits.
    """
    build = list(document.get("environment", {}).get("build", ()))
    for name in dict.fromkeys(_NEEDS_WHEEL.findall(message)):
        version = r"[=<>!~]+[^\s,]+"
        match = re.search(rf"depends on ({re.escape(name)}{version}(,{version})*)", message)
        requirement = match[1].rstrip(".,") if match else name
        if name not in build and not has_wheel(requirement):
            return Cure(
                code="only_source",
                key="environment.build",
                value=[*build, name],
                why=f"{requirement} is published as source alone: it must be built, and its build"
                " program runs outside the sandbox",
            )
    return None


def find_environment_cure(
    document: Mapping[str, Any], committed: date | None, today: date, pythons: Sequence[str]
) -> Cure | None:
    """Return what may make an environment that could not be built, the nearest to the time first.

    Packages of the commit's date for a Python of that time, then today's packages, then any.

    Args:
        document: the recipe, as plain data.
        committed: the date of the commit, up to which packages are admitted by default.
        today: the date to admit packages up to instead.
        pythons: versions that are installed here.
    """
    environment = document.get("environment", {})
    packages = list(environment.get("packages", ()))
    if committed is not None and "as_of" not in environment:
        python = python_of(committed, pythons)
        if python and environment.get("python") != f"=={python}.*":
            return Cure(
                code="python_of_the_time",
                key="environment.python",
                value=f"=={python}.*",
                why=f"packages of {committed} have no builds for this Python: Python {python}, of"
                " that time, is installed here and taken",
            )
        return Cure(
            code="no_packages_of_the_time",
            key="environment.as_of",
            value=today.isoformat(),
            why="packages of the commit's date have no builds for this Python: today's are taken",
        )
    if any("==" in package for package in packages):
        return Cure(
            code="no_such_version",
            key="environment.packages",
            value=[_bare(package) for package in packages],
            why="the versions that are asked for have no builds for this Python: any are taken",
        )
    return None


_PYTHONS: Mapping[str, date] = {
    "3.6": date(2016, 12, 23),
    "3.7": date(2018, 6, 27),
    "3.8": date(2019, 10, 14),
    "3.9": date(2020, 10, 5),
    "3.10": date(2021, 10, 4),
    "3.11": date(2022, 10, 24),
    "3.12": date(2023, 10, 2),
    "3.13": date(2024, 10, 7),
    "3.14": date(2025, 10, 7),
}
"""When each was released (https://devguide.python.org/versions)."""

_UNTIL_BUILDS = timedelta(days=180)
"""From a release to builds of the packages that most programs need: torch took three to five months
for 3.10 to 3.12 (its releases 1.11, 2.0 and 2.2)."""


def python_of(committed: date, pythons: Sequence[str]) -> str | None:
    """Return the newest installed Python that packages of a date have builds for."""
    minors = {".".join(version.split(".")[:2]) for version in pythons}
    older = [
        version
        for version, released in _PYTHONS.items()
        if version in minors and released + _UNTIL_BUILDS <= committed
    ]
    return older[-1] if older else None


_TABLE: Sequence[tuple[str, Callable[[Failed, re.Match[str]], Cure | None]]] = (
    (r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'", _missing_module),
    (r"ImportError: (?P<module>[A-Z]\w+) (is not installed|requires)", _missing_module),
    (r"^.*(AttributeError|ImportError|ValueError|TypeError): .*$", _removed_api),
    (
        r"^.*(URLError|ConnectionError|gaierror|Max retries exceeded"
        r"|Temporary failure in name resolution|ConnectError|LocalEntryNotFoundError).*$",
        _no_network,
    ),
    (r"FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<path>[^']+)'", _missing_file),
    (
        r"^.*(Torch not compiled with CUDA|Found no NVIDIA driver"
        r"|No CUDA GPUs are available|CUDA unavailable|deserialize object on a CUDA device).*$",
        _no_gpu,
    ),
    (r"error: unrecognized arguments: (?P<flags>.+)$", _unknown_flag),
    (r"^.*(EOFError: EOF when reading a line|input\(\)).*$", _wants_terminal),
)
"""Last lines of failures, those that say most first."""
