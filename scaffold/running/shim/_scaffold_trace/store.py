"""Keep what a trace captures, as JSON and safetensors.

A summary of every tensor, small ones whole.

Written by hand, since the safetensors package may be missing where the program runs; the format is
an 8 byte length, a JSON header and raw little-endian numbers
(https://github.com/huggingface/safetensors, read 2026-11).
"""

from __future__ import annotations

import json
import os
import struct
import zlib

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from _scaffold_trace.kinds import Array, Tensor

WHOLE = 4096
"""Elements of a tensor that are kept as they are; of a larger one as many, evenly spread."""

MOST_BYTES = 8 << 20
"""Of all kept elements of one trace, and as much again of inputs; beyond it only summaries are
kept."""

MOST_ENTRIES = 20000
"""Tensors of one trace."""

MOST_SERIES = 200000
"""Values of one series; a longer one is cut, and said."""

_DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1"}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
POOL = 1048573
_weights: dict[int, Array] = {}
_pools: dict[str, Array] = {}


def write_safetensors(path: str, arrays: dict[str, Array]) -> None:
    """Write arrays by name."""
    header: dict[str, dict[str, Any]] = {}
    position = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [position, position + array.nbytes],
        }
        position += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())


def read_safetensors(path: str) -> dict[str, Array]:
    """Return arrays by name."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    arrays = {}
    for name, entry in json.loads(content[8 : 8 + length].decode()).items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(content[start:end], _DTYPES[entry["dtype"]]).reshape(
            entry["shape"]
        )
    return arrays


def read_golden(folder: str, step: str) -> Store | None:
    """Return the reference's trace of one of its commands; None if it has none."""
    folder = os.path.join(folder, step)
    if not os.path.isdir(folder):
        return None
    golden = Store()
    with open(os.path.join(folder, "index.json")) as file:
        golden.index = json.load(file)
    golden.arrays = read_safetensors(os.path.join(folder, "tensors.safetensors"))
    return golden


def generator(name: str) -> np.random.RandomState:
    """Return a generator whose numbers depend only on its name.

    numpy's legacy one is frozen (NEP 19).
    """
    return np.random.RandomState(zlib.crc32(name.encode()))


def uniforms(name: str, begin: int, size: int) -> Array:
    """Return numbers in 0..1 for a name, from the n-th on."""
    if "uniform" not in _pools:
        _pools["uniform"] = generator("uniform pool").random_sample(POOL)
    places = (zlib.crc32(name.encode()) + begin + np.arange(size)) % POOL
    return _pools["uniform"][places]


def portion(name: str) -> float:
    """Return a number in 0..1 for a name."""
    return zlib.crc32(name.encode()) / 2.0**32


def normals(name: str, size: int) -> Array:
    """Return standard normal numbers for a name.

    One pool of prime length keeps rows of a matrix from repeating.
    """
    if "normal" not in _pools:
        _pools["normal"] = np.tile(generator("pool").standard_normal(POOL), 2)
    start = zlib.crc32(name.encode()) % POOL
    whole = _pools["normal"][start : start + POOL]
    return whole[:size] if size <= POOL else np.resize(whole, size)


def projection_weights(size: int) -> Array:
    """Return two fixed random vectors.

    Any difference of a tensor shows in its products with them.
    """
    if size not in _weights:
        if sum(array.size for array in _weights.values()) > 1 << 24:
            _weights.clear()
        _weights[size] = np.stack([normals("projection %d" % which, size) for which in (1, 2)])
    return _weights[size]


def row_marks(array: Array) -> Array:
    """Return a number for each row: the same for equal rows, another for other ones."""
    return marks_of_rows(array)[:, 0]


def marks_of_rows(array: Array) -> Array:
    """Return two such numbers for each row, [rows, 2]."""
    rows = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    with np.errstate(invalid="ignore"):  # where a row has something infinite
        marks: Array = rows @ projection_weights(rows.shape[1]).T / np.sqrt(max(rows.shape[1], 1))
    return marks


def to_array(tensor: Tensor) -> Array:
    """Return a tensor as float64 numbers, or as integers or booleans if it holds those."""
    tensor = tensor.detach()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    if tensor.is_complex():
        import torch

        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.is_floating_point():
        tensor = tensor.double()
    array: Array = tensor.cpu().contiguous().numpy()
    return array


def distribution(array: Array) -> dict[str, Any]:
    """Return how a tensor's values are distributed."""
    flat = np.asarray(array, dtype=np.float64).ravel()
    if not flat.size:
        return {"mean": 0.0, "sd": 0.0, "size": 0, "tenths": []}
    cosine, pairs = cosines(np.asarray(array, dtype=np.float64))
    return {
        "cosine": cosine,
        "pairs": pairs,
        "mean": float(flat.mean()),
        "sd": float(flat.std()),
        "size": int(flat.size),
        "tenths": [float(value) for value in np.percentile(flat, range(0, 101, 10))],
    }


MOST_ROWS = 256
"""Of a matrix whose directions are compared."""


def cosines(array: Array) -> tuple[float, int]:
    """Return the mean squared cosine of two rows, times their length, and of how many pairs.

    1 of independent numbers, 0 of an orthogonal matrix, more of equal rows. The rows are those of
    the shorter side of the matrix that an output's weights make.
    """
    rows = array.reshape(len(array), -1) if array.ndim > 1 else np.zeros((1, 1))
    rows = rows if rows.shape[0] <= rows.shape[1] else rows.T
    rows = rows[:MOST_ROWS]
    norms = np.sqrt((rows * rows).sum(axis=1))
    rows, norms = rows[norms > 0], norms[norms > 0]  # that of a padding is 0
    pairs = len(rows) * (len(rows) - 1) // 2
    if not pairs or not np.all(np.isfinite(norms)):
        return 0.0, 0
    directions = rows / norms[:, None]
    products = (directions @ directions.T)[np.triu_indices(len(rows), 1)]
    return float((products * products).mean() * rows.shape[1]), pairs


def summary(array: Array) -> dict[str, Any]:
    """Return what is kept of a tensor: norm, largest element, two products, and elements.

    Of a large tensor an even spread of its elements is kept.
    """
    flat = array.astype(np.float64).ravel()
    largest = float(np.abs(flat[np.isfinite(flat)]).max(initial=0.0))
    # What is not finite stands as a multiple of the largest, so that its place shows.
    signs = np.where(np.isnan(flat), 2.0, np.where(flat > 0, 3.0, 4.0))
    finite = np.where(np.isfinite(flat), flat, signs * max(largest, 1.0))
    products = (
        projection_weights(flat.size) @ finite / np.sqrt(max(flat.size, 1))
        if flat.size
        else np.zeros(2)
    )
    entry = {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "norm": float(np.sqrt(finite @ finite)),
        "largest": largest,
        "products": [float(value) for value in products],
    }
    return {"entry": entry, "elements": flat if flat.size <= WHOLE else flat[spread(flat.size)]}


class Store:
    """The entries, arrays, series and facts of one trace, written when it ends."""

    def __init__(self) -> None:
        self.index: dict[str, Any] = {
            "format": 1,
            "entries": [],
            "notes": [],
            "facts": {},
            "networks": [],
        }
        self.arrays: dict[str, Array] = {}
        self.series: dict[str, list[Any]] = {}
        self.sizes: dict[str, int] = {}
        self.kept_bytes = 0
        self.input_bytes = 0

    def say(self, check: str, text: str, series: str = "") -> None:
        """Note what could not be captured, by check; `series` names the one that was cut."""
        note = {"check": check, "text": text, "series": series}
        if note not in self.index["notes"] and len(self.index["notes"]) < 200:
            self.index["notes"].append(note)

    def add(
        self,
        check: str,
        aspect: str,
        array: Array | dict[str, Any],
        module: str = "",
        call: int = 0,
        step: int = 0,
        dtype: str | None = "",
        keep: bool = True,
        floor: float = 0.0,
    ) -> None:
        """Add one tensor or its summary: where it is, what it amounts to, its elements if few.

        `floor` is what rounding alone makes of it, where it is the small difference of larger
        numbers.
        """
        if len(self.index["entries"]) >= MOST_ENTRIES:
            self.say(
                check,
                "more than %d tensors: those after step %d are not compared"
                % (MOST_ENTRIES, step + 1),
            )
            return
        known = array if isinstance(array, dict) else summary(np.asarray(array))
        entry = dict(
            known["entry"], check=check, module=module, call=call, step=step, aspect=aspect
        )
        entry["dtype"] = dtype or entry["dtype"]
        if floor:
            entry["floor"] = floor
        elements = known["elements"]
        if keep and self.kept_bytes < MOST_BYTES:
            entry["elements"] = "kept.%d" % len(self.index["entries"])
            self.arrays[entry["elements"]] = elements
            self.kept_bytes += elements.nbytes
        self.index["entries"].append(entry)

    def keep_input(self, key: str, array: Array) -> Array | None:
        """Keep an input that both programs get, floats rounded to float32; None without room."""
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        array = array if array.dtype in _NAMES else array.astype(np.int64)
        if self.input_bytes + array.nbytes <= MOST_BYTES:
            self.arrays[key] = array
            self.input_bytes += array.nbytes
            return array
        return None

    def follow(self, name: str, value: float | Sequence[float] | Array) -> None:
        """Add one value, or row of values, to a series."""
        values = self.series.setdefault(name, [])
        size = self.sizes[name] = self.sizes.get(name, 0) + np.size(value)
        if size <= MOST_SERIES:
            values.append(value)
        else:
            self.say(
                "batches",
                "%s is followed over its first %d values" % (name, MOST_SERIES),
                series=name,
            )

    def write(self, out: str, step: str) -> None:
        """Write all of it aside, then rename; several processes of one step get numbers."""
        for name, values in self.series.items():
            self.arrays["series." + name] = (
                np.concatenate(values)
                if isinstance(values[0], np.ndarray)
                else np.asarray(values, dtype=np.float64)
            )
        number, folder = 1, os.path.join(out, step)
        while os.path.exists(folder):
            number += 1
            folder = os.path.join(out, "%s-%d" % (step, number))
        aside = folder + ".part"
        os.makedirs(aside)
        write_safetensors(os.path.join(aside, "tensors.safetensors"), self.arrays)
        with open(os.path.join(aside, "index.json"), "w") as file:
            json.dump(self.index, file)
        os.rename(aside, folder)


def spread(size: int) -> Array:
    """Return positions of the kept elements of a larger tensor."""
    return np.linspace(0, size - 1, WHOLE).astype(np.int64)
