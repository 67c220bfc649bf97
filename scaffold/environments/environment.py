"""Resolve the environment of a program once, build it with uv, cache it by its lock.

If the interpreter that runs the scaffold satisfies every requirement it is reused; the lock and the
evidence say so.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from scaffold.cache import cache_dir, exclusive
from scaffold.environments.pip_config import read_pip_settings, translate
from scaffold.environments.requirements import read_requirements, renamed_hint
from scaffold.errors import FetchError, MachineError, ProjectError
from scaffold.project.project import Source, read_text, write_text
from scaffold.records.program import Environment
from scaffold.user_state import made_lock, remember_lock

_HEADER = "# What the reference runs in. Written by scaffold; delete it to resolve anew."


Announce = Callable[[str], None]
"""Is told a line for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyEnvironment:
    """An environment that commands can run in."""

    python: Path
    version: str
    lock: str
    packages: tuple[str, ...]
    reused: bool

    @property
    def folders(self) -> list[Path]:
        """Return the folders the interpreter reads.

        Those of the environment and of its base interpreter.

        Only these parts of their prefixes: one may be ~/.local, with much else in it.
        """
        prefixes = {self.python.parent.parent, self.python.resolve().parent.parent}
        if self.reused:
            prefixes |= {Path(sys.prefix), Path(sys.base_prefix)}
        return [prefix / name for prefix in sorted(prefixes) for name in _PARTS_OF_A_PREFIX]


_PARTS_OF_A_PREFIX = ("bin", "lib", "lib64", "include", "ssl", "pyvenv.cfg")


def prepare_environment(
    source: Source,
    environment: Environment,
    default_as_of: Callable[[], date | None],
    *,
    offline: bool = False,
    device: str = "cpu",
    announce: Announce = lambda _: None,
) -> ReadyEnvironment:
    """Resolve what is not resolved yet, build what is not built yet.

    Args:
        source: where the lock lies.
        environment: what the program asks for.
        default_as_of: tells the date of the reference's commit, asked only when the recipe names
            none.
        offline: do not ask any package index.
        device: `cpu` takes the CPU build of torch, unless pip is configured to look elsewhere.
        announce: called with a line for the user before anything is fetched.

    Raises:
        FetchError: the packages do not resolve together, or cannot be had.
    """
    if source.lock.exists():
        _require_whole_lock(source)
    if not lock_fits(source, environment):
        wanted = _requirements(source, environment)
        made = _resolve(source, environment, wanted, default_as_of, offline, device, announce)
        write_text(source.lock, made)
        remember_lock(made)
    text = read_text(source.lock)
    lock = hashlib.sha256(text.encode()).hexdigest()
    version = _header(text, "python")
    packages = tuple(
        line.split(" ")[0] for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)
    )
    if _runs_here(version, packages):
        return ReadyEnvironment(
            python=Path(sys.executable),
            version=_version(),
            lock=lock,
            packages=packages,
            reused=True,
        )
    if not made_lock(text):
        _require_follows(source, environment, text, packages, version, offline)
    python = _build(text, version, lock, environment.build, offline, device, announce)
    return ReadyEnvironment(
        python=python, version=version, lock=lock, packages=packages, reused=False
    )


def lock_fits(source: Source, environment: Environment) -> bool:
    """Return whether the lock was made for the packages that the recipe asks for now."""
    wanted = _digest(environment, _requirements(source, environment))
    return source.lock.exists() and f"\n# for {wanted}\n" in read_text(source.lock)


def _require_whole_lock(source: Source) -> None:
    """Raise ProjectError if a lock was edited: without half of its lines it would still be valid.

    Nor may it hold more than versions and hashes: a URL or an option in an untrusted lock would be
    obeyed.
    """
    text = read_text(source.lock)
    hint = f"git checkout -- {source.lock.name}; or delete it to resolve anew"
    if _lock_text(text.splitlines()[1:-1]) != text:
        raise ProjectError(f"{source.lock.name} was edited, or cut short", hint=hint)
    odd = _odd_line(text)
    if odd:
        raise ProjectError(
            f"{source.lock.name} has the line {odd!r}, which is no package with its version",
            hint=hint,
        )
    # Uv would start whatever is named.
    if not re.search(r"^# python \d+\.\d+(\.\d+\w*)?$", text, re.MULTILINE):
        raise ProjectError(f"{source.lock.name} names no version of Python", hint=hint)


def _require_follows(
    source: Source,
    environment: Environment,
    text: str,
    packages: Sequence[str],
    version: str,
    offline: bool,
) -> None:
    """Raise ProjectError if a lock from elsewhere installs packages that nothing asks for.

    The recipe's requirements are resolved with the lock's own versions, so that only names can
    differ.
    """
    own, constraints = _own_lines(source, environment)
    pins = [package for package in packages if "==" in package]
    options = ["--python-version", version, "--no-header", "--no-annotate", *_torch_options(text)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "constraints.txt"
        file.write_text("\n".join([*constraints, *pins]) + "\n")
        command = ["pip", "compile", "-", *options, "--constraint", str(file)]
        command += [*_build_options(environment.build), *_index_options(constrained=False)]
        compiled = _uv(command, offline, stdin="\n".join([*environment.packages, *own]) + "\n")
    needed = {_pinned_name(line) for line in compiled.splitlines() if line[:1].isalnum()}
    extra = [package for package in pins if _pinned_name(package) not in needed]
    if extra:
        raise ProjectError(
            f"{source.lock.name} was made elsewhere and installs {', '.join(extra[:5])}, which"
            " nothing asked for needs",
            hint=(
                f"rm {source.lock.name}: it is resolved anew; or add what is missing to"
                " environment.packages"
            ),
        )


def _pinned_name(line: str) -> str:
    """Return the canonical name of the package that a line of a lock pins."""
    return canonicalize_name(re.split(r"[\[=]", line)[0])


_LOCK_LINE = re.compile(
    r"#.*|[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[A-Za-z0-9.!+_-]+( ; [^\\@]*)?( \\)?|"
    r" +--hash=sha256:[0-9a-f]{64}( \\)?|"
)


def _odd_line(lock_text: str) -> str | None:
    """Return the first line that is not a package with version, a hash or a comment."""
    return next((line for line in lock_text.splitlines() if not _LOCK_LINE.fullmatch(line)), None)


def _lock_text(lines: Sequence[str]) -> str:
    """Return the text of a lock, its last line a digest of all the others."""
    text = "\n".join([_HEADER, *lines]) + "\n"
    return f"{text}# checksum {hashlib.sha256(text.encode()).hexdigest()}\n"


def _digest(environment: Environment, wanted: Sequence[str]) -> str:
    built = [f"build {name}" for name in environment.build]
    text = "\n".join([environment.python, str(environment.as_of), *wanted, *built])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _requirements(source: Source, environment: Environment) -> list[str]:
    """Return the recipe's packages and the lines of the reference's own requirements files."""
    return [*environment.packages, *_own_lines(source, environment)[0]]


def _own_lines(source: Source, environment: Environment) -> tuple[list[str], list[str]]:
    """Return requirements and constraints from the reference's own files."""
    if not environment.requirements:
        return [], []
    return read_requirements(source.tree / environment.requirements, source.tree)


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _header(lock_text: str, key: str) -> str:
    match = re.search(rf"^# {key} (\S+)", lock_text, re.MULTILINE)
    if not match:
        raise MachineError(
            f"environment.lock has no line `# {key} ...`", hint="delete it to resolve anew"
        )
    return match[1]


# --- reusing the interpreter that runs the scaffold ---------------------------------------------


def unmet_requirements(requirements: Iterable[str]) -> list[str]:
    """Return the requirements that the running interpreter does not satisfy.

    A line that is not a plain requirement counts as unmet.
    """
    from importlib import metadata

    unmet = []
    for line in requirements:
        try:
            requirement = Requirement(line.partition(" \\")[0])  # what follows are hashes
        except InvalidRequirement:
            unmet.append(line)
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            unmet.append(line)
            continue
        if requirement.url or not requirement.specifier.contains(installed, prereleases=True):
            unmet.append(line)
    return unmet


def _closure(requirements: Iterable[str]) -> list[str]:
    """Return `name==version` of the installed packages that these requirements bring, sorted."""
    from importlib import metadata

    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(line, "") for line in requirements]
    while waiting:
        line, extra = waiting.pop()
        if (line, extra) in seen:
            continue
        seen.add((line, extra))
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            distribution = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            continue  # optional on this platform, or left out by whoever installed it
        name = canonicalize_name(requirement.name)
        found[name] = f"{name}=={distribution.version}"
        waiting += [
            (needed, own)
            for needed in distribution.requires or ()
            for own in requirement.extras or {""}
        ]
    return sorted(found.values())


def _runs_here(version: str, packages: Sequence[str]) -> bool:
    same_python = version.split(".")[:2] == [str(number) for number in sys.version_info[:2]]
    return same_python and not unmet_requirements(packages)


# --- resolving and building with uv -------------------------------------------------------------


def _resolve(
    source: Source,
    environment: Environment,
    wanted: list[str],
    default_as_of: Callable[[], date | None],
    offline: bool,
    device: str,
    announce: Announce,
) -> str:
    wanted_digest = _digest(environment, wanted)
    own, constraints = _own_lines(source, environment)
    accepted = SpecifierSet(environment.python)
    if accepted.contains(_version()) and not unmet_requirements(wanted):
        head = [f"# for {wanted_digest}", f"# python {_version()}"]
        head.append(
            "# reused: the interpreter that ran scaffold satisfied every requirement (hence no"
            " hashes)"
        )
        return _lock_text([*head, *_closure(wanted)])
    version = _find_python(environment.python, offline)
    as_of = environment.as_of or default_as_of()
    options = ["--python-version", version, "--python", sys.executable]
    options += ["--generate-hashes", "--no-header", "--no-annotate"]
    if as_of is not None:
        options += ["--exclude-newer", as_of.isoformat()]
    with tempfile.TemporaryDirectory() as folder:
        # uv reads neither other encodings nor what pip admits besides: it is given what was read.
        file = Path(folder) / "constraints.txt"
        file.write_text("\n".join(constraints) + "\n")
        if constraints:
            options += ["--constraint", str(file)]
        command = [
            "pip",
            "compile",
            "-",
            *options,
            *_build_options(environment.build),
            *_index_options(),
        ]
        stdin = "\n".join([*environment.packages, *own]) + "\n"
        compiled = _uv(command, offline, stdin=stdin)
        if device == "cpu" and _torch_is_from_default_index(compiled):
            compiled = _with_cpu_torch(compiled, command, stdin, offline, announce)
    odd = _odd_line(compiled)
    if odd:
        raise FetchError(
            f"{odd!r} is no package with a version that can be pinned",
            hint=(
                "name it by version in environment.packages, and leave out environment.requirements"
            ),
        )
    head = [f"# for {wanted_digest}", f"# python {version}"]
    head += [f"# as of {as_of}"] if as_of else []
    return _lock_text([*head, *compiled.strip().splitlines()])


_TORCH = re.compile(r"^(torch|torchvision|torchaudio)==([^\s+]+)", re.MULTILINE)
"""Packages that have a CPU build of their own (https://pytorch.org/get-started/locally)."""


def _torch_is_from_default_index(compiled: str) -> bool:
    """Return whether torch would come from PyPI, whose Linux build has CUDA.

    An index that the user configured is the user's choice.
    """
    return bool(_TORCH.search(compiled)) and not _has_own_index()


def _has_own_index() -> bool:
    places = ("index-url", "extra-index-url", "find-links", "no-index")
    return any(name in read_pip_settings() for name in places)


def _with_cpu_torch(
    compiled: str, command: Sequence[str], stdin: str, offline: bool, announce: Announce
) -> str:
    """Resolve again with the CPU builds of the same versions; the same where they cannot be had."""
    pins = dict(_TORCH.findall(compiled))
    # That index tells no dates. The versions are those that the date gave.
    undated = [word for name in pins for word in ("--exclude-newer-package", f"{name}=false")]
    pinned = "".join(f"{name}=={version}\n" for name, version in pins.items())
    try:
        return _uv([*command, *_CPU_TORCH, *undated], offline, stdin=stdin + pinned)
    except FetchError:
        announce(
            "the CPU build of torch cannot be had here: the default build brings CUDA, which is"
            " several GB"
        )
        return compiled


_CPU_TORCH = ("--torch-backend", "cpu")


def _find_python(specifier: str, offline: bool) -> str:
    """Return the running Python if the range admits it, else the newest that can be had."""
    accepted = SpecifierSet(specifier)
    if accepted.contains(_version()):
        return _version()
    admitted = [
        (here, version) for here, version in _list_pythons(offline) if accepted.contains(version)
    ]
    if not admitted:
        raise FetchError(
            f"there is no Python {specifier} on this machine",
            hint="install one, or: uv python install",
        )
    return str(max(admitted)[1])


def _list_pythons(offline: bool) -> list[tuple[bool, Version]]:
    """List CPythons on this machine and, unless offline, those uv can download.

    Each comes with whether it is installed here.
    """
    listed = _uv(
        ["python", "list", "--output-format", "json", *(["--only-installed"] if offline else [])],
        offline,
    )
    return [
        (python["path"] is not None, Version(python["version"]))
        for python in json.loads(listed)
        if python["implementation"] == "cpython" and python["variant"] == "default"
    ]


def installed_pythons() -> list[str]:
    """Return versions of the CPythons on this machine, newest first."""
    return [
        str(version)
        for version in sorted({version for _, version in _list_pythons(True)}, reverse=True)
    ]


def uv_version() -> str:
    """Return the version of uv; raise MachineError if it is not installed."""
    return _uv(["--version"], True).strip().removeprefix("uv ")


def _build(
    lock_text: str,
    version: str,
    lock: str,
    may_build: Sequence[str],
    offline: bool,
    device: str,
    announce: Announce,
) -> Path:
    folder = cache_dir("environments") / f"{lock[:24]}-{version}"
    python, marker = folder / "bin" / "python", folder / "complete"
    if marker.exists() and python.exists():
        return python
    with exclusive(folder):
        if not (marker.exists() and python.exists()):
            _announce_download(lock_text, version, may_build, offline, device, announce)
            try:
                _fill(folder, python, version, lock_text, may_build, offline, announce)
                marker.touch()
            finally:
                if not marker.exists():
                    shutil.rmtree(folder, ignore_errors=True)
    return python


def _announce_download(
    lock_text: str,
    version: str,
    may_build: Sequence[str],
    offline: bool,
    device: str,
    announce: Announce,
) -> None:
    """Announce what the build downloads.

    Nothing where the index does not say: the build itself reports errors better.
    """
    from scaffold.environments.downloads import read_download

    options = ["--format", "pylock.toml", "--no-deps", "--no-header", "--python-version", version]
    options += [
        *_build_options(may_build),
        *_index_options(constrained=False),
        *_torch_options(lock_text),
    ]
    try:
        download = read_download(_uv(["pip", "compile", "-", *options], offline, stdin=lock_text))
    except FetchError:
        return
    announce(download.describe(version))
    if device == "cpu" and download.cuda:
        announce(
            f"{len(download.cuda)} of them are for GPUs, which this recipe does not use. Smaller is"
            " a CPU build: pip config set global.extra-index-url"
            " https://download.pytorch.org/whl/cpu, then delete environment.lock"
        )


def _torch_options(lock_text: str) -> tuple[str, ...]:
    """Return where a lock with CPU builds of torch is installed from."""
    is_cpu_build = re.search(r"^torch==\S+\+cpu", lock_text, re.MULTILINE)
    return _CPU_TORCH if is_cpu_build and not _has_own_index() else ()


def _fill(
    folder: Path,
    python: Path,
    version: str,
    lock_text: str,
    may_build: Sequence[str],
    offline: bool,
    announce: Announce,
) -> None:
    from scaffold.environments.downloads import DownloadProgress

    shutil.rmtree(folder, ignore_errors=True)  # begun by a scaffold that was killed
    _uv(["venv", "--quiet", "--python", version, str(folder)], offline)
    requirements = folder / "environment.lock"
    requirements.write_text(lock_text)
    hashes = ["--require-hashes"] if "--hash=" in lock_text else []
    _uv(
        [
            "pip",
            "install",
            "--no-deps",
            "--python",
            str(python),
            *hashes,
            *_build_options(may_build),
            *_index_options(constrained=not hashes),
            *_torch_options(lock_text),
            "-r",
            str(requirements),
        ],
        offline,
        on_line=DownloadProgress(announce).read,
    )
    _compile_bytecode(folder, python)


def _build_options(may_build: Sequence[str]) -> list[str]:
    """Return options that allow wheels only.

    A source package runs its own code when it is built, outside the sandbox.
    """
    if not may_build:
        return ["--no-build"]
    # uv takes --no-build and --no-binary for a contradiction; of these two the one with a name
    # wins.
    return [
        "--only-binary",
        ":all:",
        *(word for name in may_build for word in ("--no-binary", name)),
    ]


def _index_options(*, constrained: bool = True) -> list[str]:
    """Return where pip is configured to look, and what it is constrained to.

    A lock with hashes was resolved under the constraints, and uv refuses constraints without hashes
    beside it.
    """
    configured = translate(read_pip_settings())
    return [*configured.options, *(configured.constraints if constrained else ())]


def _compile_bytecode(folder: Path, python: Path) -> None:
    """Compile the environment once with the interpreter it was made from; no run may write to it.

    Not by the environment's own: that would run what its packages bring for every start (.pth
    files), unconfined.
    """
    command = [
        str(python.resolve()),
        "-I",
        "-S",
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        str(folder / "lib"),
    ]
    # What does not compile is told when it runs.
    subprocess.run(command, capture_output=True, check=False, cwd=folder)


def _uv(
    arguments: list[str],
    offline: bool,
    stdin: str | None = None,
    on_line: Callable[[str], None] = lambda _: None,
) -> str:
    """Run uv and return its output; call `on_line` with each line of its messages."""
    environment = {
        **os.environ,
        **translate(read_pip_settings()).environment,
        "NO_COLOR": "1",
        "PATH": _search_path(),
    }
    if offline:
        environment |= {"UV_OFFLINE": "1", "UV_PYTHON_DOWNLOADS": "never"}
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as printed:
        given.write(stdin or "")
        given.seek(0)
        messages = []
        # Not where an untrusted uv.toml, pyproject.toml or .venv would be obeyed.
        with subprocess.Popen(
            [_uv_program(), *arguments],
            stdin=given,
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=cache_dir("environments"),
        ) as process:
            for line in process.stderr or ():
                on_line(line)
                messages.append(line.rstrip())
        printed.seek(0)
        output = printed.read()
    if process.returncode != 0:
        reason = "\n  ".join("\n".join(messages).strip().splitlines()[-12:])
        verb = " ".join(arguments[:2])
        raise FetchError(
            f"the environment could not be made (uv {verb}):\n  {reason}",
            hint=(
                f"{renamed_hint(reason)}change environment.packages or environment.as_of in"
                " recipe.yaml (of src/: in system.yaml); a package that there is only from source"
                " must be named in environment.build, since its build runs its own code"
            ),
        )
    return output


def _search_path() -> str:
    """Return PATH and pyenv's interpreters.

    Whose shims on PATH answer only for enabled versions.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = sorted(str(folder) for folder in pyenv.glob("versions/*/bin"))
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])


def _uv_program() -> str:
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        program = shutil.which("uv")
        if program is None:
            raise MachineError("uv is not installed", hint="pip install uv") from None
        return program
