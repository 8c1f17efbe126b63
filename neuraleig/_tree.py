"""Trees of arrays and plain values in safetensors files.

A tree is made of dicts, lists, tuples, ``None``, numbers, texts, numpy arrays, tensors,
csr arrays and dataclasses. Arrays are the tensors of the file. The rest is JSON in one
entry of its header, with free metadata and a hash of everything: the library writes
several entries in a random order, and equal trees are to be equal files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors.torch
import scipy.sparse as sp
import torch
from torch import Tensor

from neuraleig._tree_file import (
    DAMAGES,
    KEY,
    LENGTH_BYTES,
    MARK,
    MARKS,
    MAX_DEPTH,
    MAX_HEADER,
    RESERVED,
    Stored,
    TreeError,
    brief,
    check_containers,
    hash_of,
    load_content,
    read_header,
    unpacked,
)


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
    check_containers(text)
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
    header, whole = read_header(path)
    tensors = _tensors(whole)
    classes = {kind.__name__: kind for kind in kinds}
    content, metadata = load_content(header["__metadata__"], expected)
    try:
        if content.pop("hash", None) != _hash(content, tensors):
            raise ValueError("its hash is wrong")
        tree = unpacked(content["tree"], tensors, classes, WITH_CSR, _take)
        if tensors:
            raise ValueError(f"with an unknown array {min(tensors)!r}")
    except DAMAGES as error:
        raise TreeError(brief(error)) from error
    return tree, metadata


def packed_plain(tree: Any) -> Any:  # noqa: ANN401
    """JSON of a tree without arrays."""
    return _Packer().packed(tree, "")


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


def _tensors(content: bytes) -> dict[str, Tensor]:
    """Tensors of a safetensors file."""
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(content)
    except DAMAGES as error:
        raise TreeError(f"no whole safetensors file: {brief(error)}") from error
    for tensor in tensors.values():
        if tensor.dtype == torch.bool:
            # Bytes beyond 0 and 1 are undefined as truth values.
            tensor.view(torch.uint8).clamp_(max=1)
    return tensors


def _take(tensor: Tensor, is_tensor: bool) -> Any:  # noqa: ANN401
    return tensor if is_tensor else tensor.numpy()


def _csr(parts: list[Any]) -> sp.csr_array:
    shape, *arrays = parts
    found = sp.csr_array(tuple(arrays), shape=shape)
    found.check_format(full_check=True)
    return found


# How marked values are made of their parts.
WITH_CSR = {**MARKS, "$csr": _csr}


def _hash(content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Hash of everything in a file."""
    return hash_of(content, {name: _stored(t) for name, t in tensors.items()})


def _stored(tensor: Tensor) -> Stored:
    # Bytes whatever the type: numpy does not know bfloat16.
    data = tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b""
    return Stored(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), data)
