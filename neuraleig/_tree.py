"""Trees of arrays and plain values in safetensors files.

A tree is made of dicts, lists, tuples, ``None``, numbers, texts, numpy arrays, tensors,
csr arrays and dataclasses. Arrays are the tensors of the file. The rest is JSON in one
entry of its header, with free metadata and a hash of everything: the library writes
several entries in a random order, and equal trees are to be equal files.
"""

from __future__ import annotations

import hashlib
import json
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors.torch
import scipy.sparse as sp
import torch
from torch import Tensor

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


def save_tree(file: IO[bytes], tree: Any, metadata: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Write a tree.

    Parameters
    ----------
    file : binary file
        Open for writing.
    tree : object
        Tree; tensors on any device, dataclasses by their fields.
    metadata : mapping of str to object
        A tree without arrays, which is read before the rest.

    Raises
    ------
    TypeError
        If it holds anything else.
    ValueError
        If the part that is not in arrays is longer or deeper than is read.

    Notes
    -----
    Equal trees are equal bytes. Memory: twice the arrays.
    """
    packer = _Packer()
    content = {
        "metadata": packer.packed(dict(metadata), "metadata"),
        "tree": packer.packed(tree, ""),
    }
    tensors = packer.tensors
    content = {"hash": _hash(content, tensors), **content}
    text = json.dumps(content)
    written = safetensors.torch.save(tensors, {KEY: text})
    n_bytes = int.from_bytes(written[:LENGTH_BYTES], "little")
    if n_bytes > MAX_HEADER:
        raise ValueError(
            f"the header has {n_bytes} bytes; at most {MAX_HEADER} are read"
        )
    _check_containers(text)
    file.write(written)


def load_tree(
    path: Path, expected: Mapping[str, Any], kinds: Iterable[type] = ()
) -> tuple[Any, dict[str, Any]]:
    """Read a tree.

    Parameters
    ----------
    path : Path
        File that :func:`save_tree` wrote.
    expected : mapping of str to object
        Metadata that the file must have, such as its schema, to be read any further.
    kinds : iterable of type, default=()
        Dataclasses that the tree may hold.

    Returns
    -------
    tree : object
        With arrays and tensors in memory of their own, on the CPU.
    metadata : dict
        All metadata.

    Raises
    ------
    OtherFormatError
        If the file has other metadata.
    TreeError
        If it is not a whole safetensors file, or not a tree.
    OSError
        If it cannot be read.

    Notes
    -----
    Nothing in the file is executed. Memory: twice the file, and 250 MB for the longest
    header that is read.
    """
    header, tensors = _read(path)
    classes = {kind.__name__: kind for kind in kinds}
    try:
        content: Any = {"metadata": header}
        if KEY in header:
            _check_containers(header[KEY])
            content = json.loads(header[KEY], parse_constant=_refuse)
        metadata = dict(_unpacked(content["metadata"], {}, {}))
    except DAMAGES as error:
        raise TreeError(f"its header: {brief(error)}") from error
    if any(metadata.get(key) != value for key, value in expected.items()):
        raise OtherFormatError(metadata)
    try:
        if content.pop("hash", None) != _hash(content, tensors):
            raise ValueError("its hash is wrong")
        tree = _unpacked(content["tree"], tensors, classes)
        if tensors:
            raise ValueError(f"with an unknown array {min(tensors)!r}")
    except DAMAGES as error:
        raise TreeError(brief(error)) from error
    return tree, metadata


def brief(error: object) -> str:
    """Text of an error in one line, however much of a file it quotes."""
    text = str(error)
    if isinstance(error, Exception) and not isinstance(error, ValueError):
        text = f"{type(error).__name__}: {text}"
    shown = textwrap.shorten(text[: 2 * SHOWN], SHOWN, placeholder="...")
    return shown.removesuffix(".")


class _Packer:
    """Turns a tree into JSON, and collects its arrays."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._memory: set[int] = set()

    def packed(self, tree: Any, name: str, depth: int = 0) -> Any:  # noqa: ANN401
        """JSON of a tree; ``name`` is the path to it."""
        if depth > MAX_DEPTH:
            raise ValueError(f"{name} is nested more than {MAX_DEPTH} deep")
        if isinstance(tree, np.generic):
            tree = tree.item()
        if isinstance(tree, float) and not math.isfinite(tree):
            return {"$float": repr(tree)}
        if tree is None or isinstance(tree, bool | int | float | str):
            return tree
        if isinstance(tree, np.ndarray | Tensor):
            return self._array(tree, name)

        def inside(value: object, key: object) -> Any:  # noqa: ANN401
            return self.packed(value, f"{name}.{key}" if name else str(key), depth + 1)

        if isinstance(tree, sp.csr_array):
            arrays = [tree.data, tree.indices, tree.indptr]
            return {"$csr": inside([tree.shape, *arrays], "csr")}
        if is_dataclass(tree) and not isinstance(tree, type):
            values = {f.name: getattr(tree, f.name) for f in fields(tree) if f.init}
            return {"$record": [type(tree).__name__, self.packed(values, name, depth)]}
        if isinstance(tree, list | tuple):
            parts = [inside(value, i) for i, value in enumerate(tree)]
            return parts if isinstance(tree, list) else {"$tuple": parts}
        if not isinstance(tree, Mapping):
            raise TypeError(
                f"{name} is a {type(tree).__name__}, which files cannot hold"
            )
        items = [(key, inside(value, key)) for key, value in tree.items()]
        if all(isinstance(key, str) and not key.startswith(MARK) for key, _ in items):
            return dict(items)
        return {"$dict": items}

    def _array(self, values: Any, name: str) -> dict[str, Any]:  # noqa: ANN401
        is_array = isinstance(values, np.ndarray)
        if is_array:
            flags = values.flags
            values = values if flags.forc and flags.writeable else values.copy()
        found = torch.from_numpy(values) if is_array else values.detach().cpu()
        # Products round by whether a matrix is stored by rows or by columns.
        if found.ndim == 2 and not found.is_contiguous() and found.T.is_contiguous():
            return {"$turned": self._array(values.T, name)}
        found = found.contiguous()
        # The library refuses tensors that share memory.
        memory = found.untyped_storage().data_ptr()
        if memory in self._memory:
            found = found.clone()
        self._memory.add(found.untyped_storage().data_ptr())
        while name in self.tensors or name in RESERVED:
            name += "_"
        self.tensors[name] = found
        return {"$array" if is_array else "$tensor": name}


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file."""
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
        tensors = safetensors.torch.load(content)
        header = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + n_bytes])
    except DAMAGES as error:
        raise TreeError(f"no whole safetensors file: {brief(error)}") from error
    for tensor in tensors.values():
        if tensor.dtype == torch.bool:
            # Bytes beyond 0 and 1 are undefined as truth values.
            tensor.view(torch.uint8).clamp_(max=1)
    return header.get("__metadata__", {}), tensors


def _unpacked(
    node: Any,  # noqa: ANN401
    tensors: dict[str, Tensor],
    kinds: Mapping[str, type],
    level: int = 0,
) -> Any:  # noqa: ANN401
    """Tree of the JSON that a packer made; arrays are taken out of ``tensors``."""
    if level > MAX_LEVELS:
        raise ValueError("it is nested too deeply")

    def inside(value: object) -> Any:  # noqa: ANN401
        return _unpacked(value, tensors, kinds, level + 1)

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
        tensor = tensors.pop(value)
        return tensor.numpy() if mark == "$array" else tensor
    if mark == "$float" and value in ("inf", "-inf", "nan"):
        return float(value)
    if mark == "$record":
        name, values = value
        return kinds[name](**inside(values))
    return MARKS[mark](inside(value))


def _turned(matrix: Any) -> Any:  # noqa: ANN401
    if matrix.ndim != 2:
        raise ValueError("columns of what is no matrix")
    return matrix.T


def _csr(parts: list[Any]) -> sp.csr_array:
    shape, *arrays = parts
    found = sp.csr_array(tuple(arrays), shape=shape)
    found.check_format(full_check=True)
    return found


# How marked values are made of their parts.
MARKS: dict[str, Callable[[Any], Any]] = {
    "$tuple": tuple,
    "$dict": dict,
    "$turned": _turned,
    "$csr": _csr,
}


def _check_containers(text: str) -> None:
    n_containers = text.count("[") + text.count("{")
    if n_containers > MAX_CONTAINERS:
        raise ValueError(
            f"the JSON has {n_containers} lists and objects; at most {MAX_CONTAINERS} "
            "are read"
        )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not finite")


def _hash(content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Hash of everything in a file."""
    found = hashlib.blake2b(digest_size=16)
    found.update(json.dumps(content).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(json.dumps([name, str(tensor.dtype), *tensor.shape]).encode())
        if tensor.numel():
            # Bytes whatever the type: numpy does not know bfloat16.
            found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
