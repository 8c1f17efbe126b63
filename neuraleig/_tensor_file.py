"""Safetensors files, written from the memory of tensors and read into memory of theirs.

The library of that name copies all tensors once more, and renames a file of its own
over the path that it writes, a device included.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

# Bytes of the header at most. JSON takes up to thirty times its length once parsed.
MAX_HEADER = 2**23
# Lists and objects of the JSON at most; texts that hold brackets count as well.
MAX_CONTAINERS = 2**19
# Dimensions of a tensor at most, as in torch.
MAX_DIMENSIONS = 64
# Bytes that hold the length of the header, and of which it is a multiple.
LENGTH_BYTES = 8
# Entry of the header that is no tensor.
METADATA = "__metadata__"
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_tensors(
    file: IO[bytes], tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write contiguous tensors on the CPU; equal ones are equal bytes.

    Raises
    ------
    TypeError
        If the format has no such type of numbers.
    ValueError
        If the header is longer than is read.
    """
    header: dict[str, Any] = {METADATA: dict(metadata)}
    # Wide types first, so that every tensor is aligned.
    names = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    end = 0
    for name in names:
        tensor = tensors[name]
        if tensor.dtype not in NAMES:
            raise TypeError(f"{name} is {tensor.dtype}, which files cannot hold")
        start, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, ensure_ascii=False)
    check_containers(text)
    content = text.encode()
    content += b" " * (-len(content) % LENGTH_BYTES)
    _check_length(len(content))
    file.write(len(content).to_bytes(LENGTH_BYTES, "little") + content)
    for name in names:
        file.write(bytes_of(tensors[name]))


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Metadata and tensors of a file, whose sizes are checked before they are made.

    Not mapped: the process would end where another one cuts the file. What a damaged
    file raises is in ``DAMAGES`` of :mod:`neuraleig._tree`.
    """
    with path.open("rb") as file:
        n_bytes = int.from_bytes(file.read(LENGTH_BYTES), "little")
        _check_length(n_bytes)
        text = file.read(n_bytes).decode()
        check_containers(text)
        header = json.loads(text)
        metadata = dict(header.pop(METADATA, {}))
        n_data = os.fstat(file.fileno()).st_size - LENGTH_BYTES - n_bytes
        entries = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
        tensors, end = {}, 0
        for name, entry in entries:
            tensors[name], end = _read_tensor(file, entry, end, n_data)
    if end != n_data:
        raise ValueError(f"{n_data} bytes, of which tensors have {end}")
    return metadata, tensors


def _read_tensor(
    file: IO[bytes], entry: Mapping[str, Any], end: int, n_data: int
) -> tuple[Tensor, int]:
    """Tensor of an entry, and where it ends; the one before ends at ``end``."""
    dtype, shape = DTYPES[entry["dtype"]], entry["shape"]
    start, stop = entry["data_offsets"]
    sizes = (start, stop, *shape[:MAX_DIMENSIONS])
    are_sizes = all(type(size) is int and 0 <= size < 2**63 for size in sizes)
    if len(shape) > MAX_DIMENSIONS or not are_sizes:
        raise ValueError("a shape of no tensor")
    n_bytes = math.prod(shape) * dtype.itemsize
    if start != end or stop != end + n_bytes or stop > n_data:
        raise ValueError(f"{n_bytes} bytes from {start} to {stop} of {n_data}")
    if n_bytes == 0:
        return torch.empty(shape, dtype=dtype), stop
    # By numpy, for torch raises no MemoryError.
    values = np.empty(n_bytes, dtype=np.uint8)
    if file.readinto(values.data) != n_bytes:  # type: ignore[attr-defined]
        raise ValueError("the file has been cut")
    if dtype == torch.bool:
        # Bytes beyond 0 and 1 are undefined as truth values.
        np.minimum(values, 1, out=values)
    return torch.from_numpy(values).view(dtype).reshape(shape), stop


def bytes_of(tensor: Tensor) -> memoryview:
    """Memory of a contiguous tensor, whatever its type: numpy does not have all."""
    # Empty arrays of numpy have strides of which torch can make no bytes.
    if tensor.numel() == 0:
        return memoryview(b"")
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def check_containers(text: str) -> None:
    """Refuse JSON that would take far more memory than its length."""
    n_containers = text.count("[") + text.count("{")
    if n_containers > MAX_CONTAINERS:
        raise ValueError(
            f"the JSON has {n_containers} lists and objects; at most {MAX_CONTAINERS} "
            "are read"
        )


def _check_length(n_bytes: int) -> None:
    if n_bytes > MAX_HEADER:
        raise ValueError(
            f"the header has {n_bytes} bytes; at most {MAX_HEADER} are read"
        )
