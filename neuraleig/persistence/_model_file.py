"""The file of a model: a tree with the class and the versions that wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

from neuraleig._atomic import atomic_file
from neuraleig._tree import load_tree, save_tree
from neuraleig._tree_file import DAMAGES, OtherFormatError, brief
from neuraleig._version import __version__
from neuraleig.persistence._forms import RECORD, TEXT, check

FORMAT = "neuraleig model"
# What the tree of a class is made of. Raise it when earlier files cannot be read.
SCHEMA = 3
DAMAGED = "is damaged ({}); take another copy of it, or save the model again"


class ModelFileError(ValueError):
    """A file holds no model, not a whole one, or one that cannot be used here."""


class UnusableError(ValueError):
    """A whole file cannot be used with what the user passes, or fails to pass."""


@dataclass(frozen=True)
class ModelFile:
    """Content of the file of a model: its class, and the state of the estimator."""

    class_name: str
    versions: dict[str, str]
    tree: dict[str, Any]


@contextmanager
def checked(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the content of a file into one kind of error."""
    try:
        yield
    except UnusableError as error:
        raise _refusal(path, str(error)) from error
    except DAMAGES as error:
        raise _refusal(path, DAMAGED.format(brief(error))) from error


def write_model(path: Path, class_name: str, tree: dict[str, Any]) -> None:
    """Write a model, whole or not at all.

    Raises
    ------
    ValueError
        If names and parameters are longer than is read again.
    OSError
        If the file cannot be written.
    """
    metadata = {
        "format": FORMAT,
        "schema": SCHEMA,
        "class": class_name,
        "versions": {
            "neuraleig": __version__,
            "torch": str(torch.__version__),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }
    try:
        with atomic_file(path) as file:
            save_tree(file, tree, metadata)
    except ValueError as error:
        raise ValueError(
            f"the parameters and names of the estimator are too long for a file "
            f"({error}); shorten the names of the features."
        ) from error


def read_model(path: Path) -> ModelFile:
    """Read a model, with tensors in memory of their own.

    Raises
    ------
    ModelFileError
        If it is no such file, of another schema, or damaged.
    OSError
        If it cannot be read.
    """
    with checked(path):
        try:
            tree, metadata = load_tree(path, {"format": FORMAT, "schema": SCHEMA})
        except OtherFormatError as error:
            raise UnusableError(_other_format(error.metadata)) from error
        check(metadata.get("class"), TEXT, "class")
        check(metadata.get("versions"), RECORD, "versions")
        check(tree, RECORD, "content")
    return ModelFile(metadata["class"], metadata["versions"], tree)


def _refusal(path: Path, what: str) -> ModelFileError:
    return ModelFileError(f"{str(path)!r} {what.removesuffix('.')}.")


def _other_format(metadata: dict[str, Any]) -> str:
    if metadata.get("format") != FORMAT:
        return "is no model of neuraleig; pass a file that neuraleig.save wrote"
    schema = brief(repr(metadata.get("schema")).strip("'"))
    return (
        f"has schema {schema}, and this version of neuraleig reads schema {SCHEMA}; "
        f"load it with the version that wrote it ({brief(metadata.get('versions'))}), "
        "or fit the model again"
    )
