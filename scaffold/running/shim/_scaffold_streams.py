"""Gives each kind of random draw a stream of its own, without editing the program.

A program that draws initial weights, batch order, augmentation and dropout from one generator gets
other values of all of them as soon as a change makes one of them draw more; its runs before and
after then share nothing but their seed. With a stream for each kind (and for each shape of initial
weights and dropout) the rest stays as it was, and two runs of one seed can be compared as a pair.
Draws from a generator that the program made itself, on an accelerator, or inside a compiled
function are left alone.

Loaded by `sitecustomize` in whatever interpreter the program needs: no dependencies, Python 3.7
syntax.
"""

from __future__ import annotations

import functools
import hashlib
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable

    KeyOf = Callable[[tuple[Any, ...], dict[str, Any]], str | None]

used: set[str] = set()
observers: list[Callable[[str], None]] = []
"""Are told of each draw by what it is called."""

_inside = threading.local()

_TENSOR_METHODS = (
    "uniform_",
    "normal_",
    "random_",
    "bernoulli_",
    "exponential_",
    "log_normal_",
    "cauchy_",
)
_TORCH_FUNCTIONS = (
    "rand",
    "randn",
    "randint",
    "randperm",
    "rand_like",
    "randn_like",
    "randint_like",
    "normal",
    "bernoulli",
    "multinomial",
    "poisson",
)
_DROPOUTS = (
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
)
_NUMPY_FUNCTIONS = (
    "rand",
    "randn",
    "randint",
    "random",
    "random_sample",
    "choice",
    "permutation",
    "shuffle",
    "normal",
    "standard_normal",
    "uniform",
    "binomial",
    "beta",
    "gamma",
    "exponential",
    "poisson",
    "multinomial",
    "dirichlet",
)
_RANDOM_FUNCTIONS = (
    "random",
    "uniform",
    "randint",
    "randrange",
    "choice",
    "choices",
    "sample",
    "shuffle",
    "gauss",
    "normalvariate",
    "betavariate",
    "expovariate",
    "getrandbits",
)


def _derived(seed: int, name: str) -> int:
    return (
        int.from_bytes(hashlib.sha256(("%s %s" % (seed, name)).encode()).digest()[:8], "big") >> 1
    )


def patch_random(random: ModuleType) -> None:
    """Give `random.shuffle` and its like own streams from the first `random.seed(NUMBER)` on."""
    _patch_library(random, "setstate", _RANDOM_FUNCTIONS, random.Random)


def patch_numpy(numpy: ModuleType) -> None:
    """Give the functions of `numpy.random` their own streams.

    Generators that the program makes have streams anyway.
    """
    make = numpy.random.RandomState
    _patch_library(numpy.random, "set_state", _NUMPY_FUNCTIONS, lambda seed: make(seed % 2**32))


def _patch_library(
    module: Any, restore: str, names: tuple[str, ...], make: Callable[[int], object]
) -> None:
    """Let each of these functions draw from a generator that `make` makes of a seed."""
    now: dict[str, Any] = {"seed": None, "generators": {}}
    seed_all, restore_all = module.seed, getattr(module, restore)

    @functools.wraps(seed_all)
    def seed(*args: object, **kwargs: object) -> object:
        value = args[0] if args else next(iter(kwargs.values()), None)
        now.update(seed=value if isinstance(value, int) else None, generators={})
        return seed_all(*args, **kwargs)

    @functools.wraps(restore_all)
    def restored(*args: object, **kwargs: object) -> object:
        now.update(seed=None, generators={})  # the program manages its state itself
        return restore_all(*args, **kwargs)

    def streamed(name: str, function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        def draw(*args: object, **kwargs: object) -> object:
            if now["seed"] is None:
                return function(*args, **kwargs)
            for observe in observers:
                observe("%s.%s" % (module.__name__, name))
            generators = now["generators"]
            if name not in generators:
                generators[name] = make(_derived(now["seed"], name))
                used.add("%s.%s" % (module.__name__, name))
            own: Callable[..., object] = getattr(generators[name], name)
            return own(*args, **kwargs)

        return draw

    for name in names:
        if hasattr(module, name):
            setattr(module, name, streamed(name, getattr(module, name)))
    module.seed = seed
    setattr(module, restore, restored)


class _TorchStreams:
    """States of torch's default generator by kind of draw, from the seed that it was given last."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.default = torch.default_generator
        self.states: dict[str, Any] = {}
        self.seed: int | None = None
        self.replaced: list[tuple[Any, str, Any, Any]] = []
        self.is_scripting = False
        self.is_compiling: Callable[[], bool] = getattr(
            getattr(torch, "compiler", None), "is_compiling", bool
        )

    def state_of(self, key: str) -> Any:
        seed: int = self.default.initial_seed()
        if self.seed != seed:
            self.seed = seed
            self.states.clear()
        if key not in self.states:
            used.add("torch.%s" % key)
            generator = self.torch.Generator()
            generator.manual_seed(_derived(seed, key))
            self.states[key] = generator.get_state()
        return self.states[key]

    def streamed(self, function: Callable[..., object], key_of: KeyOf) -> Callable[..., object]:
        @functools.wraps(function)
        def draw(*args: object, **kwargs: object) -> object:
            if (
                getattr(_inside, "active", False)
                or self.is_compiling()
                or kwargs.get("generator") is not None
            ):
                return function(*args, **kwargs)
            try:
                key = key_of(args, kwargs)
                if key is None:
                    return function(*args, **kwargs)
                state, default_state = self.state_of(key), self.default.get_state()
                self.default.set_state(state)
            except Exception:  # a mode in which states are not what they are elsewhere
                return function(*args, **kwargs)
            for observe in observers:
                observe("torch.%s" % key)
            _inside.active = True
            try:
                return function(*args, **kwargs)
            finally:
                _inside.active = False
                self.states[key] = self.default.get_state()
                self.default.set_state(default_state)

        return draw

    def replace(self, owner: Any, name: str, key_of: KeyOf) -> None:
        original = getattr(owner, name, None)
        if original is None:
            return
        draw = self.streamed(original, key_of)
        draw.__qualname__ = name if owner is not self.torch.Tensor else "Tensor.%s" % name
        draw.__module__ = "torch" if owner is self.torch.Tensor else owner.__name__
        self.replaced.append((owner, name, original, draw))
        setattr(owner, name, draw)

    def spare_torchscript(self) -> None:
        """Restore the original functions while TorchScript's compiler looks.

        It knows them by identity.
        """
        script = self.torch.jit.script

        @functools.wraps(script)
        def compile_script(*args: object, **kwargs: object) -> object:
            if self.is_scripting:  # it calls itself for what a function calls
                return script(*args, **kwargs)
            self.is_scripting = True
            for owner, name, original, _ in self.replaced:
                setattr(owner, name, original)
            try:
                return script(*args, **kwargs)
            finally:
                self.is_scripting = False
                for owner, name, _, draw in self.replaced:
                    setattr(owner, name, draw)

        self.torch.jit.script = compile_script

    def keep_with_state(self) -> None:
        """Save and restore the streams with the state.

        Checkpointed activations restore it to draw the same masks.
        """
        torch = self.torch
        get_all, set_all, seed_all = torch.get_rng_state, torch.set_rng_state, torch.manual_seed

        @functools.wraps(get_all)
        def get_rng_state() -> Any:
            state = get_all()
            state.scaffold_streams = dict(self.states)
            return state

        @functools.wraps(set_all)
        def set_rng_state(new_state: Any) -> None:
            set_all(new_state)
            self.states.clear()
            self.states.update(getattr(new_state, "scaffold_streams", {}))
            self.seed = self.default.initial_seed()

        @functools.wraps(seed_all)
        def manual_seed(seed: object) -> object:
            self.states.clear()
            return seed_all(seed)

        for module in (torch, torch.random):
            module.get_rng_state, module.set_rng_state, module.manual_seed = (
                get_rng_state,
                set_rng_state,
                manual_seed,
            )


def patch_torch(torch: Any) -> None:
    """Give CPU draws from torch's default generator their own streams."""
    streams = _TorchStreams(torch)
    for name in _TENSOR_METHODS:
        streams.replace(torch.Tensor, name, _by_shape(name, 0))
    for name in _TORCH_FUNCTIONS:
        streams.replace(torch, name, _by_name(name))
    functional = torch.nn.functional
    for name in _DROPOUTS:
        streams.replace(functional, name, _by_shape(name, 1))
    streams.replace(functional, "scaled_dot_product_attention", _by_shape("attention dropout", 1))
    streams.keep_with_state()
    if hasattr(torch, "jit"):
        streams.spare_torchscript()


def _by_shape(name: str, skip: int) -> KeyOf:
    def key_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        tensor: Any = args[0] if args else kwargs.get("input", kwargs.get("query"))
        if tensor.device.type != "cpu":
            return None
        return "%s %s" % (name, "x".join(str(size) for size in tuple(tensor.shape)[skip:]))

    return key_of


def _by_name(name: str) -> KeyOf:
    return lambda _args, _kwargs: name
