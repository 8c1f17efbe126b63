"""The file of a model without torch: its class, versions, and a tree of plain values.

Arrays stay as they are in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuraleig._tree_file import DAMAGES, OtherFormatError, brief, load_stored
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


def read_file(
    path: Path,
    load: Callable[[Path, dict[str, Any]], tuple[Any, dict[str, Any]]] = load_stored,
) -> ModelFile:
    """Read a model; the arrays of its tree are what ``load`` makes of them.

    Raises
    ------
    ModelFileError
        If it is no such file, of another schema, or damaged.
    OSError
        If it cannot be read.
    """
    with checked(path):
        try:
            tree, metadata = load(path, {"format": FORMAT, "schema": SCHEMA})
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
