"""Seeds a program, or shifts its own seeds, without editing it. First on PYTHONPATH of every run.

Runs inside whatever interpreter the reference needs: no dependencies, Python 3.7 syntax. It must
never be the reason that a program fails, so each patch that does not fit a library is left out and
said in the report.

    SCAFFOLD_SEED_HOW     offset (shift every seeding call), inject (seed at start), anything else:
        only watch
    SCAFFOLD_SEED         the seed, or how far to shift
    SCAFFOLD_SEED_REPORT  folder for one JSON file a process: which seeding calls the program itself
        made, and what it tried that the sandbox denies
    SCAFFOLD_DENIALS        what the sandbox denies, as JSON
    SCAFFOLD_STREAMS      if set: each kind of draw has a stream of its own
    SCAFFOLD_TRACE        if set: what is to be recorded of the program, see `_scaffold_trace`
    SCAFFOLD_PROBE        if set: how the program is watched or changed, see `_scaffold_probe`
"""

from __future__ import annotations

import atexit
import importlib.abc
import json
import operator
import os
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType
    from typing import Any, Callable, Sequence

_HOW = os.environ.get("SCAFFOLD_SEED_HOW", "")
_SEED = int(os.environ.get("SCAFFOLD_SEED", "0"))
_REPORT = os.environ.get("SCAFFOLD_SEED_REPORT", "")
_WATCH = os.environ.get("SCAFFOLD_DENIALS", "")
_names: dict[int, str] = {}
_watch: ModuleType | None = None
_streams: ModuleType | None = None
_trace: ModuleType | None = None
_probe: ModuleType | None = None
_calls: dict[str, list[str]] = {}
_missed: list[str] = []
_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_scaffold")
_drawn: set[int] = set()
_LEAST_DRAWN, _MOST_DRAWN = 1000, 100000  # smaller ones are seeds that people write
# Libraries that it leaves unseeded.
_ALSO = set(filter(None, os.environ.get("SCAFFOLD_SEED_ALSO", "").split(",")))
_inside = threading.local()


def _note(library: str, call: str) -> None:
    seen = _calls.setdefault(library, [])
    if call not in seen and len(seen) < 20:
        seen.append(call)


def _shifted(library: str, value: Any) -> Any:
    if _HOW != "offset" or isinstance(value, bool) or not _SEED:
        return value  # seed 0 is the published program, whatever its seeds are
    try:
        number = operator.index(value)
    except TypeError:
        _miss("%s is seeded with %.40r, which is not an integer: not shifted" % (library, value))
        return value
    if number in _drawn:
        return value  # drawn from a generator whose seed was shifted already
    # 32 bits are the narrowest seed that a library takes (numpy); one that is wider, or negative,
    # keeps its width.
    return (number + _SEED) % 2**32 if 0 <= number < 2**32 else number + _SEED


def _is_generator(value: object) -> bool:
    """Return whether what a library is given is a generator: it was seeded when it was made."""
    return hasattr(value, "bit_generator") or hasattr(value, "random_raw")


def _miss(text: str) -> None:
    if text not in _missed and len(_missed) < 20:
        _missed.append(text)


def _is_library(frame: FrameType | None) -> bool:
    """Return whether torch, numpy or the scaffold seeds, with numbers from a seeded generator."""
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    path = frame.f_code.co_filename if frame is not None else ""
    return path.startswith(_HERE) or any(
        os.sep + name + os.sep in path for name in ("torch", "numpy")
    )


def _wrap(
    library: str,
    name: str,
    function: Callable[..., object],
    position: int = 0,
    keyword: str = "seed",
) -> Callable[..., object]:
    """Replace a seeding function by one that shifts its seed.

    A seeding call made by another one is not shifted again.
    """

    def seeding(*args: object, **kwargs: object) -> object:
        if getattr(_inside, "active", False) or _is_library(sys._getframe(1)):
            return function(*args, **kwargs)
        value = args[position] if len(args) > position else kwargs.get(keyword)
        if value is not None and not _is_generator(value):
            # Only a given seed fixes the result; seed() and seed(None) draw from the system.
            _note(library, "%s(%.40r)" % (name, value))
            if _trace is not None:
                _trace.noted_seed(name, value)
            if len(args) > position:
                args = args[:position] + (_shifted(library, value),) + args[position + 1 :]
            else:
                kwargs[keyword] = _shifted(library, value)
        _inside.active = True
        try:
            return function(*args, **kwargs)
        finally:
            _inside.active = False

    _resemble(seeding, function, name.rpartition(".")[2])
    return seeding


def _resemble(replacement: Any, function: object, name: str) -> None:
    """Let a function look like the one that it replaces."""
    replacement.__name__ = name
    replacement.__doc__ = getattr(function, "__doc__", None)
    replacement.__wrapped__ = function


def _remembering(function: Callable[..., object]) -> Callable[..., object]:
    """Return a method whose integers are remembered as drawn."""

    def randint(self: object, *args: object, **kwargs: object) -> object:
        value = function(self, *args, **kwargs)
        if isinstance(value, int) and value >= _LEAST_DRAWN and len(_drawn) < _MOST_DRAWN:
            _drawn.add(value)
        return value

    return randint


def _remember(owner: object, name: str) -> None:
    """Remember integers of a function as drawn: seeding with one was reached by an earlier seed."""
    function = getattr(owner, name, None)
    if function is None:
        return

    def draw(*args: object, **kwargs: object) -> object:
        value = function(*args, **kwargs)
        try:
            number = operator.index(value)
        except TypeError:
            return value
        if number >= _LEAST_DRAWN and len(_drawn) < _MOST_DRAWN:
            _drawn.add(number)
        return value

    _resemble(draw, function, name)
    try:
        setattr(owner, name, draw)
    except (AttributeError, TypeError):
        _miss("numbers drawn by %s" % name)


def _replace(
    library: str, owner: object, name: str, position: int = 0, keyword: str = "seed"
) -> None:
    function = getattr(owner, name, None)
    if function is None:
        return
    try:
        setattr(owner, name, _wrap(library, "%s.%s" % (library, name), function, position, keyword))
    except (AttributeError, TypeError):
        _miss("%s.%s" % (library, name))


def _subclass(library: str, owner: object, name: str, method: str) -> None:
    """Replace a class by a subclass whose `method` shifts its seed.

    Old instances still count as its own.
    """
    original: Any = getattr(owner, name, None)
    if original is None:
        return

    class Meta(type(original)):  # type: ignore[misc]  # known only at run time
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, original)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, original)

    try:
        wrapped = _wrap(library, "%s.%s" % (library, name), getattr(original, method), 1)
        body = {method: wrapped, "__module__": original.__module__, "__doc__": original.__doc__}
        if _HOW == "offset" and hasattr(original, "randint"):
            body["randint"] = _remembering(original.randint)
        setattr(owner, name, Meta(name, (original,), body))
    except (AttributeError, TypeError):
        _miss("%s.%s" % (library, name))


def _is_injected(library: str) -> bool:
    return _HOW == "inject" or library in _ALSO


def _patch_random(random: ModuleType) -> None:
    if _is_injected("random"):
        random.seed(_SEED)
    if _streams is not None:  # first, so that a program's seed comes there shifted
        _streams.patch_random(random)
    _replace("random", random, "seed", 0, "a")
    _subclass("random", random, "Random", "seed")
    if _HOW == "offset":
        for name in ("randint", "randrange", "getrandbits"):
            _remember(random, name)


def _patch_numpy(numpy: ModuleType) -> None:
    if _is_injected("numpy"):
        numpy.random.seed(_SEED % 2**32)
    if _streams is not None:
        _streams.patch_numpy(numpy)
    _replace("numpy", numpy.random, "seed")
    _replace("numpy", numpy.random, "default_rng")
    _subclass("numpy", numpy.random, "RandomState", "__init__")
    if _HOW == "offset":
        for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"):
            _subclass("numpy", numpy.random, name, "__init__")
        _remember(numpy.random, "randint")


def _patch_torch(torch: ModuleType) -> None:
    if _is_injected("torch"):
        torch.manual_seed(_SEED)
    if _streams is not None:
        _streams.patch_torch(torch)
    _replace("torch", torch, "manual_seed")
    _replace("torch", torch.random, "manual_seed")
    for backend in ("cuda", "mps", "xpu"):
        module = getattr(torch, backend, None)
        if module is not None:
            _replace("torch", module, "manual_seed")
            _replace("torch", module, "manual_seed_all")
    _subclass("torch", torch, "Generator", "manual_seed")
    if _trace is not None:
        _trace.patch_torch(torch)
    if _probe is not None:
        _probe.patch_torch(torch)


def _unsupported(name: str) -> Callable[[ModuleType], None]:
    def patch(_module: ModuleType) -> None:
        _miss("%s is imported: its seeds are not reached" % name)

    return patch


_PATCHES = {
    "numpy": _patch_numpy,
    "torch": _patch_torch,
    "jax": _unsupported("jax"),
    "tensorflow": _unsupported("tensorflow"),
}


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the other finders find a library, and patches it right after it was imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _PATCHES:
            return None
        patch = _PATCHES.pop(name)
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = (
                find(name, path, target) if find and finder is not self else None
            )
            if spec is not None:
                break
        else:
            _PATCHES[name] = patch
            return None
        loader: Any = spec.loader
        if loader is not None and hasattr(loader, "exec_module"):
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                try:
                    patch(module)
                except Exception as error:
                    _miss("%s: %s" % (name, error))

            loader.exec_module = exec_module
        return spec


def _write_report() -> None:
    try:
        # A step in a name space of its own has the process ids of the step before.
        name = _names.setdefault(os.getpid(), "%d-%s.json" % (os.getpid(), os.urandom(4).hex()))
        path = os.path.join(_REPORT, name)
        report: dict[str, Any] = {
            "calls": _calls,
            "missed": _missed,
            "streams": sorted(_streams.used) if _streams else [],
            "accelerator_bytes": _accelerator_bytes(),
        }
        if _watch is not None:
            report.update(variables=_watch.variables, attempts=_watch.attempts)
        with open(path + ".part", "w") as file:
            json.dump(report, file)
        os.replace(path + ".part", path)
    except OSError:
        pass


def _accelerator_bytes() -> int:
    """Return the most memory of GPUs that torch has held in this process; 0 without any."""
    try:
        cuda = sys.modules["torch"].cuda
        if not cuda.is_initialized():
            return 0
        return sum(cuda.max_memory_reserved(index) for index in range(cuda.device_count()))
    except Exception:  # no torch, or one that is only half there
        return 0


def _run_next_sitecustomize() -> None:
    """Run the distribution's own sitecustomize, which this one hides."""
    import importlib.machinery

    own_folder = os.path.dirname(os.path.abspath(__file__))
    other_entries = [
        entry for entry in sys.path if os.path.abspath(entry or os.curdir) != own_folder
    ]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", other_entries)
    if spec is not None and spec.loader is not None:
        import importlib.util

        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if _HOW:
    import random as _random

    if os.environ.get("SCAFFOLD_STREAMS"):
        import _scaffold_streams as _streams
    if os.environ.get("SCAFFOLD_TRACE"):
        import _scaffold_trace as _trace
    _patch_random(_random)
    sys.meta_path.insert(0, _Finder())
    if os.environ.get("SCAFFOLD_PROBE"):
        import _scaffold_probe

        _probe = _scaffold_probe
        _scaffold_probe.start(os.environ["SCAFFOLD_PROBE"])
    if _trace is not None:
        _trace.start(os.environ["SCAFFOLD_TRACE"], _write_report)
    if _REPORT:
        atexit.register(_write_report)
    if _REPORT and _WATCH:
        import _scaffold_denials

        _watch = _scaffold_denials
        _watch.start(json.loads(_WATCH), _write_report)
_run_next_sitecustomize()
