"""Find where a program seeds its random numbers, and which libraries it never seeds."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from scaffold.authoring.drafting.options import Option
from scaffold.authoring.drafting.python_files import Module, calls_in
from scaffold.records.draft import Citation

_CALLS: Sequence[tuple[str, re.Pattern[str]]] = (
    (
        "torch",
        re.compile(r"(^|\.)(torch|pl)\.(manual_seed|random\.manual_seed)$|(^|\.)seed_everything$"),
    ),
    (
        "torch",
        re.compile(
            r"(^|\.)cuda\.manual_seed(_all)?$|(^|\.)Generator\(?\)?\.manual_seed$|\.manual_seed$"
        ),
    ),
    ("numpy", re.compile(r"(^|\.)(np|numpy)\.random\.(seed|RandomState|default_rng)$")),
    ("random", re.compile(r"^random\.seed$|^rd\.seed$")),
    ("tensorflow", re.compile(r"(^|\.)set_random_seed$|(^|\.)tf\.random\.set_seed$")),
    ("jax", re.compile(r"(^|\.)random\.(PRNGKey|key)$")),
    (
        "all",
        re.compile(
            r"(^|\.)set_seed$|(^|\.)(seed_all|set_random_seeds?|fix_seed|setup_seed|seed_torch)$"
        ),
    ),
)
_DRAWS: Sequence[tuple[str, re.Pattern[str]]] = (
    ("numpy", re.compile(r"(^|\.)(np|numpy)\.random\.(?!seed|RandomState|default_rng)\w+$")),
    ("random", re.compile(r"^random\.(?!seed)\w+$")),
    (
        "torch",
        re.compile(
            r"(^|\.)torch\.(rand|randn|randint|randperm|multinomial|bernoulli|normal)\w*$|(^|\.)(nn|init)\.\w+$|DataLoader$"
        ),
    ),
)


_SEED = re.compile(r"(^|_|-|manual|random|global)seed$", re.IGNORECASE)
"""Names of options: `seed`, `random_seed`, `manualSeed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedingCall:
    """A call that seeds a library.

    Attributes:
        library: `random`, `numpy`, `torch`, `tensorflow`, `jax`, or `all`.
        from_option: the option whose value it is given; empty for none.
        is_literal: a number that stands in the code.
        is_drawn: a number that was drawn itself, or a clock's.
        is_local: of one function's own draws, such as a split's, and no library's.
    """

    library: str
    place: Citation
    from_option: str
    is_literal: bool
    is_drawn: bool = False
    is_local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeding:
    """What is known of a program's seeds.

    Attributes:
        calls: that seed.
        drawn: libraries that random numbers are drawn from, and a place where.
        option: of the program, by which the seed is given; None without one.
        unused: an option for a seed that nothing reads.
    """

    calls: tuple[SeedingCall, ...]
    drawn: dict[str, Citation]
    option: Option | None
    unused: Option | None

    @property
    def is_by_option(self) -> bool:
        """Return whether its option decides what is drawn, and not a number in the code."""
        is_given = any(call.from_option and not call.is_local for call in self.calls)
        is_fixed = any(call.is_literal and not call.is_local for call in self.calls)
        return self.option is not None and (is_given or not is_fixed)


def find_seeding(modules: Sequence[Module], options: Sequence[Option]) -> Seeding:
    """Return how a program, whose own module comes first, seeds what it draws from."""
    seeds = [option for option in options if _SEED.search(option.short_name)]
    calls: list[SeedingCall] = []
    drawn: dict[str, Citation] = {}
    read: set[str] = set()
    for module in modules:
        names = _names_read(module.tree)
        read |= names
        for name, call in calls_in(module.tree):
            library = next((key for key, pattern in _CALLS if pattern.search(name)), None)
            if library is not None:
                argument = call.args[0] if call.args else None
                argument = argument or (call.keywords[0].value if call.keywords else None)
                text = ast.unparse(argument) if argument is not None else ""
                from_option = _option_in(text, seeds)
                literal = argument is not None and isinstance(module.fold(argument), int)
                is_own_helper = library == "all" and not literal and not from_option
                if not is_own_helper:
                    calls.append(
                        SeedingCall(
                            library=library,
                            place=module.cite(call),
                            from_option=from_option,
                            is_literal=literal,
                            is_drawn=not from_option and not literal and _is_drawn(module, text),
                        )
                    )
                continue
            for item in call.keywords:
                is_literal = isinstance(module.fold(item.value), int)
                from_option = _option_in(ast.unparse(item.value), seeds)
                if item.arg == "random_state" and (is_literal or from_option):
                    calls.append(
                        SeedingCall(
                            library="numpy",
                            place=module.cite(call),
                            from_option=from_option,
                            is_literal=is_literal,
                            is_local=is_literal or bool(_SPLITS.search(name)),
                        )
                    )
            for key, pattern in _DRAWS:
                if pattern.search(name):
                    drawn.setdefault(key, module.cite(call))
    option = next((o for o in seeds if o.flags and o.short_name in read), None)
    unused = next((o for o in seeds if o.flags and o.short_name not in read), None)
    return Seeding(calls=tuple(calls), drawn=drawn, option=option, unused=unused)


_SPLITS = re.compile(r"split|fold|shuffle", re.IGNORECASE)
"""What divides data, and models nothing."""


def _option_in(text: str, seeds: Sequence[Option]) -> str:
    """Return the name of the option for a seed that an expression reads; empty for none."""
    return next((o.name for o in seeds if re.search(rf"\b{re.escape(o.name)}\b", text)), "")


_LARGE = 1e6
_DRAWS_SEED = re.compile(r"\brandint\(|\brandrange\(|\bgetrandbits\(|\btime\.time|\burandom\(")


def _is_drawn(module: Module, text: str) -> bool:
    """Return whether what a seeding call is given was drawn: itself, or the name that it is."""
    if _DRAWS_SEED.search(text):
        return True
    if not re.fullmatch(r"[A-Za-z_][\w.]*", text):
        return False
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assign) and text in map(ast.unparse, node.targets):
            return bool(_DRAWS_SEED.search(ast.unparse(node.value)))
    # A helper is given a seed: by whoever draws one as large as seeds are.
    return any(
        isinstance(bound := module.fold(argument), (int, float)) and bound >= _LARGE
        for name, call in calls_in(module.tree)
        if _DRAWS_SEED.match(f"{name.rpartition('.')[2]}(")
        for argument in call.args
    )


def _names_read(tree: ast.AST) -> set[str]:
    """Return names of attributes and variables that are read, as `args.seed` or `seed`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            names.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            names.add(str(node.slice.value))
    return names
