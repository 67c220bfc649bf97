"""Read scalars from TensorBoard event files, without gRPC and protobuf.

Source of the formats: TFRecord framing, https://www.tensorflow.org/tutorials/load_data/tfrecord;
messages, tensorboard/compat/proto/{event,summary,tensor}.proto; wire format,
https://protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from scaffold.running.outputs import read_output

_EVENT_STEP, _EVENT_SUMMARY = 2, 5
_SUMMARY_VALUE = 1
_VALUE_TAG, _VALUE_SIMPLE, _VALUE_TENSOR = 1, 2, 8
_TENSOR_DTYPE, _TENSOR_CONTENT, _TENSOR_FLOAT, _TENSOR_DOUBLE = 1, 4, 5, 6
_DT_DOUBLE = 2


def read_scalars(folder: Path, tag: str) -> Iterator[tuple[int, float]]:
    """Return (step, value) of one tag from all event files below a folder, by file name as written.

    A record that a killed writer left half-written ends its file.
    """
    files = [folder] if folder.is_file() else sorted(folder.rglob("*tfevents*"))
    for file in files:
        for record in _records(read_output(file)):
            yield from _scalars(record, tag)


def _records(content: bytes) -> Iterator[bytes]:
    position = 0
    while position + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, position)
        start = position + 12  # length 8 bytes, its checksum 4
        if start + length + 4 > len(content):
            return
        yield content[start : start + length]
        position = start + length + 4


def _scalars(event: bytes, tag: str) -> Iterator[tuple[int, float]]:
    fields = list(_fields(event))
    step = next(
        (value for number, value in fields if number == _EVENT_STEP and isinstance(value, int)), 0
    )
    for number, summary in fields:
        if number != _EVENT_SUMMARY or not isinstance(summary, bytes):
            continue
        for value_number, value in _fields(summary):
            if value_number == _SUMMARY_VALUE and isinstance(value, bytes):
                parts = dict(_fields(value))
                if parts.get(_VALUE_TAG) == tag.encode():
                    scalar = _scalar(parts)
                    if scalar is not None:
                        yield step, scalar


def _scalar(parts: dict[int, int | bytes]) -> float | None:
    simple, tensor = parts.get(_VALUE_SIMPLE), parts.get(_VALUE_TENSOR)
    if isinstance(simple, bytes) and len(simple) == 4:
        return float(struct.unpack("<f", simple)[0])
    if not isinstance(tensor, bytes):
        return None
    fields = dict(_fields(tensor))
    is_double = fields.get(_TENSOR_DTYPE) == _DT_DOUBLE
    width, code = (8, "<d") if is_double else (4, "<f")
    for number in (_TENSOR_CONTENT, _TENSOR_DOUBLE if is_double else _TENSOR_FLOAT):
        content = fields.get(number)
        if isinstance(content, bytes) and len(content) == width:
            return float(struct.unpack(code, content)[0])
    return None


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield field number and raw value; end quietly at what is not a message."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield number, value
        elif kind in (1, 2, 5):
            length = {1: 8, 5: 4}.get(kind, -1)
            if length < 0:
                length, position = _varint(message, position)
            if position + length > len(message):
                return
            yield number, message[position : position + length]
            position += length
        else:
            return


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, position
