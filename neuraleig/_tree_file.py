"""Files of trees as bytes and JSON, read without torch and numpy.

See ``_tree.py``, which writes them and makes arrays of what is in them.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors

# Entry of the header that holds the JSON.
KEY = "neuraleig"
# Bytes of the header at most. JSON takes up to thirty times its length once parsed.
MAX_HEADER = 2**23
# Lists and objects of the JSON at most; texts that hold brackets count as well.
MAX_CONTAINERS = 2**19
# Containers inside each other at most.
MAX_DEPTH = 32
# Levels of the JSON at most: what JSON does not have takes two.
MAX_LEVELS = 3 * MAX_DEPTH
# Bytes that hold the length of the header.
LENGTH_BYTES = 8
# What reading content that no save wrote can raise. Neither errors of the system nor a
# lack of memory are among them.
DAMAGES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    safetensors.SafetensorError,
)
# Characters of an error that are quoted.
SHOWN = 400
# Objects with one key that begins so stand for what JSON does not have.
MARK = "$"
# Names that no tensor of a file can have.
RESERVED = ("", "__metadata__")


class TreeError(ValueError):
    """A file holds no tree, or not a whole one."""


class OtherFormatError(TreeError):
    """A file has other metadata than expected.

    Parameters
    ----------
    metadata : dict
        Metadata of the file; of other safetensors files the entries of the header.
    """

    def __init__(self, metadata: dict[str, Any]) -> None:
        super().__init__("its format is another one")
        self.metadata = metadata


# Letters of ``struct`` by the types of arrays whose values are read here.
LETTERS = {
    "float64": "d",
    "float32": "f",
    "float16": "e",
    "int64": "q",
    "int32": "i",
    "int16": "h",
    "int8": "b",
    "uint8": "B",
    "bool": "?",
}
# Types of safetensors beside them, by their names in torch.
TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


@dataclass(frozen=True, eq=False)
class Stored:
    """Array or tensor as it is in a file.

    Parameters
    ----------
    dtype : str
        Type as numpy and torch call it, such as ``"float32"``.
    shape : tuple of int
        Its shape.
    data : bytes-like
        Its values.
    is_tensor : bool, default=False
        Whether it is loaded as a tensor.
    """

    dtype: str
    shape: tuple[int, ...]
    data: Any
    is_tensor: bool = False

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def T(self) -> Stored:  # noqa: N802 - as arrays have it
        """The transpose, whose values are not moved."""
        return Stored(self.dtype, self.shape[::-1], self.data, self.is_tensor)

    def values(self) -> tuple[Any, ...]:
        """All values in the order of the file."""
        found: tuple[Any, ...]
        found = struct.unpack(f"<{self.size}{LETTERS[self.dtype]}", self.data)
        return found


def brief(error: object) -> str:
    """Text of an error in one line, however much of a file it quotes."""
    text = str(error)
    if isinstance(error, Exception) and not isinstance(error, ValueError):
        text = f"{type(error).__name__}: {text}"
    shown = textwrap.shorten(text[: 2 * SHOWN], SHOWN, placeholder="...")
    return shown.removesuffix(".")


def read_header(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header of a safetensors file, and the whole file."""
    # Opening a pipe would wait for a writer.
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise TreeError("it is not a regular file")
    # Not mapped: the process would end where another one cuts the file.
    with path.open("rb") as file:
        n_bytes = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if n_bytes > MAX_HEADER:
            raise TreeError(
                f"no whole safetensors file: a header of {n_bytes} bytes, and at most "
                f"{MAX_HEADER} are read"
            )
        file.seek(0)
        content = file.read()
    try:
        header = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + n_bytes])
        header["__metadata__"] = header.get("__metadata__", {})
    except DAMAGES as error:
        raise TreeError(f"no whole safetensors file: {brief(error)}") from error
    return header, content


def load_content(
    metadata: dict[str, str], expected: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """JSON of a tree in the metadata of a header, and the metadata of the tree."""
    try:
        content: Any = {"metadata": metadata}
        if KEY in metadata:
            check_containers(metadata[KEY])
            content = json.loads(metadata[KEY], parse_constant=_refuse)
        found = dict(unpacked(content["metadata"], {}))
    except DAMAGES as error:
        raise TreeError(f"its header: {brief(error)}") from error
    if any(found.get(key) != value for key, value in expected.items()):
        raise OtherFormatError(found)
    return content, found


def stored_arrays(content: bytes) -> dict[str, Stored]:
    """Arrays of a safetensors file."""
    deserialize: Callable[[bytes], Any] = safetensors.deserialize
    try:
        return {
            name: Stored(TYPES[entry["dtype"]], tuple(entry["shape"]), entry["data"])
            for name, entry in deserialize(content)
        }
    except DAMAGES as error:
        raise TreeError(f"no whole safetensors file: {brief(error)}") from error


def load_stored(
    path: Path, expected: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a tree whose arrays stay :class:`Stored`; see ``load_tree`` for the rest."""
    header, whole = read_header(path)
    arrays = stored_arrays(whole)
    content, metadata = load_content(header["__metadata__"], expected)
    try:
        if content.pop("hash", None) != hash_of(content, arrays):
            raise ValueError("its hash is wrong")
        tree = unpacked(content["tree"], arrays, take=take_stored)
        if arrays:
            raise ValueError(f"with an unknown array {min(arrays)!r}")
    except DAMAGES as error:
        raise TreeError(brief(error)) from error
    return tree, metadata


def take_stored(array: Stored, is_tensor: bool) -> Stored:
    """Array as it is in the file, which knows what it is to be."""
    return Stored(array.dtype, array.shape, array.data, is_tensor)


def unpacked(
    node: Any,  # noqa: ANN401
    arrays: dict[str, Any],
    kinds: Mapping[str, type] | None = None,
    marks: Mapping[str, Callable[[Any], Any]] | None = None,
    take: Callable[[Any, bool], Any] = take_stored,
    level: int = 0,
) -> Any:  # noqa: ANN401
    """Tree of the JSON that a packer made; arrays are taken out of ``arrays``."""
    if level > MAX_LEVELS:
        raise ValueError("it is nested too deeply")

    def inside(value: object) -> Any:  # noqa: ANN401
        return unpacked(value, arrays, kinds, marks, take, level + 1)

    if isinstance(node, float) and not math.isfinite(node):
        raise ValueError("a number is not finite")
    if isinstance(node, list):
        return [inside(part) for part in node]
    if not isinstance(node, dict):
        return node
    if not any(key.startswith(MARK) for key in node):
        return {key: inside(value) for key, value in node.items()}
    ((mark, value),) = node.items()
    if mark in ("$tensor", "$array"):
        return take(arrays.pop(value), mark == "$tensor")
    if mark == "$float" and value in ("inf", "-inf", "nan"):
        return float(value)
    if mark == "$record":
        name, values = value
        return (kinds or {})[name](**inside(values))
    return (marks or MARKS)[mark](inside(value))


def _turned(matrix: Any) -> Any:  # noqa: ANN401
    if matrix.ndim != 2:
        raise ValueError("columns of what is no matrix")
    return matrix.T


# How marked values are made of their parts.
MARKS: dict[str, Callable[[Any], Any]] = {
    "$tuple": tuple,
    "$dict": dict,
    "$turned": _turned,
}


def check_containers(text: str) -> None:
    n_containers = text.count("[") + text.count("{")
    if n_containers > MAX_CONTAINERS:
        raise ValueError(
            f"the JSON has {n_containers} lists and objects; at most {MAX_CONTAINERS} "
            "are read"
        )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not finite")


def hash_of(content: Mapping[str, Any], arrays: Mapping[str, Stored]) -> str:
    """Hash of everything in a file."""
    found = hashlib.blake2b(digest_size=16)
    found.update(json.dumps(content).encode())
    for name, array in sorted(arrays.items()):
        described = [name, f"torch.{array.dtype}", *array.shape]
        found.update(json.dumps(described).encode())
        found.update(array.data)
    return found.hexdigest()
