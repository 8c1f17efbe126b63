"""Safetensors files whose every size is held against the bytes that are there.

Not by the library of that name: the sizes of an untrusted file are to be known before
anything is set aside, memory that is mapped ends the process where another one cuts the
file, and equal contents are to be equal files.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neuraleig.persistence._records import Record, parsed, shown

# Most bytes of the header. JSON takes some twenty times its length once it is parsed.
MAX_HEADER = 2**24
# Bytes that say how long the header is.
LENGTH_BYTES = 8
# Most dimensions of a tensor.
MAX_DIMENSIONS = 16
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class _Place:
    """Where in the data a tensor is."""

    begin: int
    end: int
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    metadata : dict of str to str
        Free entries of the header.
    tensors : dict of str to Tensor
        On the CPU, in memory of their own.

    Raises
    ------
    ValueError
        If it is no safetensors file, or not a whole one.
    RuntimeError
        If the header is nested too deeply, or torch knows no tensor of a shape.
    OSError
        If it cannot be read.

    Notes
    -----
    Memory: the tensors, which are no larger than the file, and what a header of at
    most 16 MiB comes to.
    """
    # Opening a pipe would wait for somebody to write.
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("no regular file")
    with path.open("rb") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        header = parsed(_header(file, n_bytes))
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        metadata = _metadata(header.pop("__metadata__", {}))
        places = sorted(
            (_place(name, entry) for name, entry in header.items()),
            key=lambda place: (place.begin, place.end, place.name),
        )
        _check_cover(places, n_bytes - file.tell())
        return metadata, {place.name: _tensor(file, place) for place in places}


def header_of(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> bytes:
    """First bytes of a file, with their length.

    Parameters
    ----------
    metadata : mapping of str to str
        Free entries.
    tensors : mapping of str to Tensor
        What follows, in the order of :func:`in_order`.

    Returns
    -------
    header : bytes
        Equal for equal contents.

    Raises
    ------
    ValueError
        If it is longer than is read.
    """
    entries: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    at = 0
    for name, tensor in in_order(tensors).items():
        end = at + tensor.nbytes
        offsets = [at, end]
        shape = list(tensor.shape)
        kind = NAMES[tensor.dtype]
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode("ascii")
    # So that tensors are aligned where a file is mapped.
    text += b" " * (-len(text) % LENGTH_BYTES)
    if len(text) > MAX_HEADER:
        raise ValueError(
            f"the header has {len(text)} bytes; at most {MAX_HEADER} are read"
        )
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def in_order(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as they follow each other: large elements first, then by name."""
    return dict(sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])))


def bytes_of(tensor: Tensor) -> memoryview:
    """Memory of a contiguous tensor on the CPU; numpy does not know bfloat16."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _header(file: BufferedReader, n_bytes: int) -> str:
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if n_bytes < LENGTH_BYTES or length > n_bytes - LENGTH_BYTES:
        raise ValueError(f"it has {n_bytes} bytes, fewer than its header says")
    if length > MAX_HEADER:
        raise ValueError(
            f"its header has {length} bytes; at most {MAX_HEADER} are read"
        )
    return file.read(length).decode("utf-8")


def _metadata(found: object) -> dict[str, str]:
    entries = Record(found, "__metadata__").take_all()
    for key, value in entries.items():
        if not isinstance(value, str):
            raise ValueError(f"__metadata__ has {shown(value)} for {shown(key)}")
    return entries


def _place(name: str, entry: Any) -> _Place:  # noqa: ANN401 - JSON
    record = Record(entry, shown(name))
    dtype = DTYPES[record.choice("dtype", DTYPES)]
    shape, offsets = record.integers("shape"), record.integers("data_offsets")
    record.end()
    if len(shape) > MAX_DIMENSIONS or len(offsets) != 2:
        raise ValueError(f"{shown(name)} has shape {shown(shape)} at {shown(offsets)}")
    begin, end = offsets
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{shown(name)} has other bytes than its shape says")
    return _Place(begin, end, name, dtype, tuple(shape))


def _check_cover(places: list[_Place], n_bytes: int) -> None:
    """Refuse tensors that overlap, leave gaps, or end where the file does not."""
    at = 0
    for place in places:
        if place.begin != at:
            raise ValueError(f"{shown(place.name)} begins at {place.begin}, not {at}")
        at = place.end
    if at != n_bytes:
        raise ValueError(f"its tensors take {at} bytes, and {n_bytes} are there")


def _tensor(file: BufferedReader, place: _Place) -> Tensor:
    tensor = torch.empty(place.shape, dtype=place.dtype)
    if tensor.numel() == 0:
        return tensor
    if file.readinto(bytes_of(tensor)) != tensor.nbytes:
        raise ValueError("it was cut while it was read")
    if place.dtype == torch.bool:
        # Other bytes are no truth values.
        tensor.view(torch.uint8).clamp_(max=1)
    return tensor
