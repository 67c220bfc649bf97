"""Names for the annotations of this package. For type checkers only: a program finds it empty.

What torch gives is `Any`: the program brings its own torch, of any version.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Tuple, Union

    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
    Torch = Any
    Tensor = Any
    Module = Any
    Optimizer = Any

    IsTensor = Callable[[object], bool]
    Replace = Callable[[str, Tensor], Any]
    """Takes a tensor's place in a structure, and the tensor; gives what is to be there instead."""

    Original = Callable[..., Any]
    """A function of the program's or of torch's, as it was before a hook took its place."""

    Args = Tuple[Any, ...]
    Kwargs = Dict[str, Any]
    Inputs = Tuple[Args, Kwargs]
    """What a network is called with."""

    Fact = Callable[[str, Any], Any]
    """Notes a number of the reference's, and gives it to the other program."""

    Shape = Tuple[int, ...]
    Key = Tuple[str, str, Tuple[Shape, ...]]
    """A kind of call: the entry's name, training or evaluation, and shapes of the inputs."""

    Salt = Union[str, Tuple["Salt", "Salt", float]]
    """Which made-up answers are given: a name, or two and the share of the second."""

    Terms = Dict[str, List[List[List[Any]]]]
    """What own tensors are made of, see `Layout`."""

    Arrays = Mapping[str, Union[Array, None]]
    Elements = List[Tuple[str, Array]]
    """Tensors by name, and positions in them."""
