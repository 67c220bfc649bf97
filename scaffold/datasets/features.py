"""Turn examples into vectors whose distances tell near copies: texts, images, numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scaffold.datasets.examples import Column, Examples

_TEXT_WORDS = 4
"""Words of a value, on average, from which on a column is text."""

_GRAM = 4
_TEXT_SIZE = 1024
_MOST_CHARACTERS = 20_000
_THUMBNAIL = 16
_MOST_CATEGORIES = 50
_FEW_NUMBERS = 4
"""Of a row: with fewer, neighbors lie as near as copies with a little noise."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """A vector for each example, and what they were made of; None where nothing can be."""

    values: NDArray[np.float32] | None
    made_of: str
    are_texts: bool = False


def vectors_of(examples: Examples) -> Vectors:
    """Return vectors whose distances tell near copies.

    Of a text the frequencies of its sequences of 4 characters, of an image its 16 x 16 thumbnail,
    else its numbers, each in its own standard deviations, and its categories.
    """
    if examples.files is not None:
        return _of_files(examples.files)
    texts = [name for name, column in examples.columns.items() if _is_text(column)]
    if texts:
        joined = [
            " ".join(str(examples.columns[name][row]) for name in texts)
            for row in range(len(examples.ids))
        ]
        return Vectors(text_vectors(joined), f"the texts of {', '.join(texts)}", are_texts=True)
    blocks = [_scaled(column) for column in examples.columns.values()]
    usable = [block for block in blocks if block is not None]
    if not usable:
        return Vectors(None, "nothing: no column holds texts, numbers or categories")
    values = np.concatenate(usable, axis=1)
    few = "; of so few, only exact copies can be told" if values.shape[1] < _FEW_NUMBERS else ""
    return Vectors(values, f"the numbers and categories of a row{few}")


def _is_text(column: Column) -> bool:
    if isinstance(column, np.ndarray):
        return False
    some = [str(value) for value in column[:: max(len(column) // 200, 1)]]
    return sum(len(text.split()) for text in some) >= _TEXT_WORDS * len(some)


def text_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the square roots of the shares of sequences of 4 characters, hashed to 1024.

    Case, punctuation and spaces count for nothing. Of these vectors the Euclidean distance is that
    of Hellinger between the shares, but for the hashing.
    """
    vectors = np.zeros((len(texts), _TEXT_SIZE), dtype=np.float32)
    for row, text in enumerate(texts):
        plain = " ".join(re.findall(r"\w+", text[:_MOST_CHARACTERS].casefold()))
        codes = np.frombuffer(f" {plain} ".encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
        if len(codes) < _GRAM:
            continue
        hashed = np.zeros(len(codes) - _GRAM + 1, dtype=np.uint64)
        for offset in range(_GRAM):
            hashed = hashed * np.uint64(0x9E3779B1) + codes[offset : offset + len(hashed)]
        places = (hashed * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(54)
        counts = np.bincount(places.astype(np.int64), minlength=_TEXT_SIZE)
        vectors[row] = np.sqrt(counts / counts.sum())
    return vectors


def _scaled(column: Column) -> NDArray[np.float32] | None:
    """Return a column as one or more of a vector; None where it tells nothing of distances."""
    if isinstance(column, np.ndarray):
        known = column[np.isfinite(column)]
        spread = float(known.std()) if len(known) else 0.0
        if not spread > 0:
            return None
        clean = np.where(np.isfinite(column), column, known.mean())
        scaled: NDArray[np.float32] = ((clean - known.mean()) / spread).astype(np.float32)[:, None]
        return scaled
    values = list(dict.fromkeys(column))
    if not 1 < len(values) <= _MOST_CATEGORIES:
        return None
    places = {value: place for place, value in enumerate(values)}
    block = np.zeros((len(column), len(values)), dtype=np.float32)
    block[np.arange(len(column)), [places[value] for value in column]] = 1.0
    return block


def _of_files(files: Sequence[Path]) -> Vectors:
    thumbnails = _thumbnails(files)
    if thumbnails is not None:
        return Vectors(thumbnails, "thumbnails of 16 x 16")
    texts = []
    for path in files:
        with path.open("rb") as file:
            content = file.read(4 * _MOST_CHARACTERS)
        if b"\0" in content:
            return Vectors(None, "nothing: files are neither texts nor images (these need Pillow)")
        texts.append(content.decode("utf-8", errors="replace"))
    return Vectors(text_vectors(texts), "the texts of the files", are_texts=True)


def _thumbnails(files: Sequence[Path]) -> NDArray[np.float32] | None:
    """Return thumbnails, or None where a file is no image or Pillow is missing."""
    try:
        from PIL import Image
    except ImportError:
        return None
    vectors = np.zeros((len(files), 3 * _THUMBNAIL**2), dtype=np.float32)
    for row, path in enumerate(files):
        try:
            with Image.open(path) as image:
                small = image.convert("RGB").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
        except (OSError, ValueError, Image.DecompressionBombError):
            return None
        vectors[row] = np.asarray(small, dtype=np.float32).reshape(-1) / 255
    return vectors
