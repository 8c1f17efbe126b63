"""The file of a model: a tree with the class and the versions that wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

from neuraleig._atomic import atomic_file
from neuraleig._tree import load_tree, save_tree
from neuraleig._version import __version__
from neuraleig.persistence._plain_file import FORMAT, SCHEMA, ModelFile, read_file


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
    return read_file(path, load_tree)
