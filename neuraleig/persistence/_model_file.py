"""The file of a model: one safetensors file, whose header says the rest in JSON."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from neuraleig._atomic import atomic_file
from neuraleig.persistence._records import parsed
from neuraleig.persistence._tensor_file import (
    bytes_of,
    header_of,
    in_order,
    read_tensors,
)

FORMAT = "neuraleig model"
# What the state of a class is made of. Raise it when earlier files cannot be read.
SCHEMA = 1
# Entries of the header besides the hash. All are text, as safetensors has it.
KEYS = ("format", "schema", "class", "versions", "column_major", "content")
DAMAGED = "is damaged ({}); take another copy of it, or save the model again"
# What reading a state that no save wrote comes to. Neither the system's errors nor
# a lack of memory are among them.
DAMAGES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
# Characters of a reason that are shown.
SHOWN = 400


class ModelFileError(ValueError):
    """A file holds no model, not a whole one, or one that cannot be used here."""


class UnusableError(ValueError):
    """A whole file cannot be used with what the user brings, or fails to bring."""


@dataclass(frozen=True)
class State:
    """What a fitted estimator comes to.

    Parameters
    ----------
    tensors : dict of str to Tensor
        Weights and other numbers.
    content : dict
        The rest, in plain JSON.
    """

    tensors: dict[str, Tensor]
    content: dict[str, Any]


@dataclass(frozen=True)
class ModelFile:
    """What a file of a model says.

    Parameters
    ----------
    path : Path
        Where it is.
    class_name : str
        Class of the estimator.
    versions : dict of str to str
        Libraries that wrote it.
    state : State
        State of the estimator, on the CPU.
    """

    path: Path
    class_name: str
    versions: dict[str, str]
    state: State

    def refusal(self, what: str) -> ModelFileError:
        """Error that names the file and says what is wrong."""
        return refusal(self.path, what)

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Turn what goes wrong with the state into one kind of error."""
        try:
            yield
        except UnusableError as error:
            raise self.refusal(str(error)) from error
        except DAMAGES as error:
            reason = f"{type(error).__name__}: {error}"
            raise self.refusal(_damaged(reason)) from error


def write_model(
    path: Path, class_name: str, versions: Mapping[str, str], state: State
) -> None:
    """Write a model, whole or not at all.

    Parameters
    ----------
    path : Path
        File, which is replaced.
    class_name, versions, state
        As in :class:`ModelFile`; tensors may be on any device.

    Raises
    ------
    ValueError
        If the header becomes longer than is read again.
    OSError
        If the file cannot be written.
    """
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in state.tensors.items()
    }
    turned = sorted(n for n, value in state.tensors.items() if _is_column_major(value))
    header = {
        "format": FORMAT,
        "schema": str(SCHEMA),
        "class": class_name,
        "versions": json.dumps(dict(versions)),
        "column_major": json.dumps(turned),
        "content": json.dumps(state.content, allow_nan=False),
    }
    header["hash"] = _hash(header, tensors)
    try:
        first = header_of(header, tensors)
    except ValueError as error:
        raise ValueError(
            f"the parameters and names of the estimator are too long for a file "
            f"({error}); shorten the names of the features."
        ) from error
    with atomic_file(path) as file:
        file.write(first)
        for tensor in in_order(tensors).values():
            file.write(bytes_of(tensor))


def read_model(path: Path) -> ModelFile:
    """Read a model.

    Parameters
    ----------
    path : Path
        What :func:`write_model` wrote.

    Returns
    -------
    file : ModelFile
        With tensors of memory of their own.

    Raises
    ------
    ModelFileError
        If it is no such file, of another schema, or damaged.
    OSError
        If it cannot be read.
    """
    header, tensors = _read(path)
    if header.get("format") != FORMAT:
        raise refusal(
            path, "is no model of neuraleig; pass a file that neuraleig.save wrote"
        )
    if header.get("schema") != str(SCHEMA):
        raise refusal(
            path,
            f"has schema {_brief(repr(header.get('schema')))}, and this version of "
            f"neuraleig reads schema {SCHEMA}; load it with the version that wrote it "
            f"({_brief(str(header.get('versions')))})",
        )
    found = header.pop("hash", None)
    if found != _hash(header, tensors) or sorted(header) != sorted(KEYS):
        raise refusal(path, _damaged("its hash is wrong, or its header another one"))
    try:
        versions, turned, content = (
            parsed(header[key]) for key in ("versions", "column_major", "content")
        )
        for name in turned:
            tensors[name] = tensors[name].T.contiguous().T
    except DAMAGES as error:
        raise refusal(path, _damaged(f"its header: {error}")) from error
    if not isinstance(versions, dict) or not isinstance(content, dict):
        raise refusal(path, _damaged("its header holds something else"))
    return ModelFile(path, header["class"], versions, State(tensors, content))


def refusal(path: Path, what: str) -> ModelFileError:
    """Error that names a file and says what is wrong."""
    return ModelFileError(f"{str(path)!r} {what.removesuffix('.')}.")


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a safetensors file."""
    try:
        return read_tensors(path)
    except DAMAGES as error:
        raise refusal(
            path,
            f"is no whole safetensors file ({_brief(str(error))}); take another copy "
            "of it",
        ) from error


def _damaged(reason: str) -> str:
    return DAMAGED.format(_brief(reason).removesuffix("."))


def _brief(reason: str) -> str:
    """Reason in one line, however much of the file it quotes."""
    return textwrap.shorten(reason[: 2 * SHOWN], SHOWN, placeholder="...")


def _is_column_major(tensor: Tensor) -> bool:
    """Whether a matrix is stored by columns: products round by how it is stored."""
    return tensor.ndim == 2 and not tensor.is_contiguous() and tensor.T.is_contiguous()


def _hash(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Hash of everything in a file."""
    found = hashlib.blake2b(digest_size=16)
    found.update(json.dumps(sorted(header.items())).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(json.dumps([name, str(tensor.dtype), *tensor.shape]).encode())
        found.update(bytes_of(tensor))
    return found.hexdigest()
