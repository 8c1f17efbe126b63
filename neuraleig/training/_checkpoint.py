"""A folder that keeps what an interrupted piece of work had come to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from neuraleig._atomic import TEMPORARIES, atomic_file
from neuraleig._tree import load_tree, save_tree
from neuraleig._tree_file import OtherFormatError, TreeError
from neuraleig._warnings import warn_user

# Layout of the entries. Raise it when what was saved before cannot be read.
SCHEMA = 3
# Files of ours begin like this: others in the same folder are never touched.
PREFIX = "neuraleig-"
SUFFIX = ".safetensors"

# Folders of complete work that are to be cleared later; ``None``: they are at once.
_DEFERRED: ContextVar[list[CheckpointFolder] | None] = ContextVar(
    "deferred", default=None
)


@contextmanager
def clearing_deferred() -> Iterator[None]:
    """Let checkpoints of complete work stay until the block has ended without error.

    For programs that save what a fit comes to: if that fails, the same fit goes on
    from its checkpoint, and is not done anew.
    """
    folders: list[CheckpointFolder] = []
    token = _DEFERRED.set(folders)
    try:
        yield
    finally:
        _DEFERRED.reset(token)
    for folder in folders:
        folder.clear()


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, read, or gone on from."""


class Checkpoint:
    """Keeps nothing; :class:`CheckpointFolder` overrides it.

    Code that is handed a checkpoint is written once, for fits that save and for
    those that do not.
    """

    def save(self, name: str, tree: object) -> None:
        """Keep a tree, see :mod:`neuraleig._tree`."""

    def load(self, name: str, *kinds: type) -> Any:  # noqa: ANN401
        """Tree that was kept, of dataclasses ``kinds``; ``None`` if there is none."""
        return None

    def bind(self, data: Mapping[str, str]) -> None:
        """Refuse later entries that were saved for other data, by their hashes."""

    def clear(self) -> None:
        """Forget everything."""

    def refusal(self, what: str) -> CheckpointError:
        """Error that says what is wrong, and the way out."""
        return CheckpointError(what)


NOTHING_KEPT = Checkpoint()
"""The checkpoint of work that is not to be saved."""


class CheckpointFolder(Checkpoint):
    """A folder of entries, each of which is replaced as a whole or not at all.

    An entry is one file of :mod:`neuraleig._tree`, whose metadata are the schema and
    the identity of the work.

    Parameters
    ----------
    path : str or PathLike
        Folder; made if there is none.
    identity : mapping of str to plain values
        What the work depends on. Entries of another identity are refused.

    Raises
    ------
    CheckpointError
        If the folder cannot be made.
    """

    def __init__(
        self, path: str | os.PathLike[str], identity: Mapping[str, Any]
    ) -> None:
        self.path = Path(path)
        self.identity = dict(identity)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.refusal(
                f"the folder cannot be made ({error})", "choose another path"
            ) from error

    def save(self, name: str, tree: object) -> None:
        """Replace an entry; one that cannot be written leaves the former as it was."""
        metadata = {"schema": SCHEMA, "identity": self.identity}
        try:
            with atomic_file(self._file(name)) as file:
                save_tree(file, tree, metadata)
        except OSError as error:
            raise self.refusal(
                f"{name!r} cannot be written ({error}); what was saved before is "
                "still there",
                "make room or set the path of another folder, and fit again to go on",
            ) from error

    def load(self, name: str, *kinds: type) -> Any:  # noqa: ANN401
        """Tree of an entry, or ``None`` if it was never saved."""
        path = self._file(name)
        if not path.exists():
            return None
        try:
            tree, metadata = load_tree(path, {"schema": SCHEMA}, kinds)
            owner = dict(metadata["identity"])
        except OtherFormatError as error:
            schema = error.metadata.get("schema")
            theirs = f"schema {schema}" if schema else "no schema"
            raise self.refusal(
                f"{path.name} has {theirs}, and this version of neuraleig reads "
                f"schema {SCHEMA}"
            ) from error
        except (TreeError, OSError) as error:
            raise self.refusal(f"{path.name} is damaged ({error})") from error
        names = sorted(owner.keys() | self.identity.keys())
        other = [n for n in names if owner.get(n) != self.identity.get(n)]
        if other:
            raise self.refusal(f"it belongs to a fit with other {', '.join(other)}")
        return tree

    def bind(self, data: Mapping[str, str]) -> None:
        """Refuse later entries that were saved for other data, by their hashes.

        Fits that begin at the same time in one folder, as in a parallel search, may
        both find it empty.
        """
        self.identity |= data

    def clear(self) -> None:
        """Remove all entries, and the folder if nothing else is in it."""
        deferred = _DEFERRED.get()
        if deferred is not None:
            deferred.append(self)
            return
        try:
            # The newest first: what is left of an interrupted removal is an earlier
            # state of the same work.
            for path in sorted(self._ours(), key=_age):
                path.unlink(missing_ok=True)
        except OSError as error:
            warn_user(
                f"checkpoint={str(self.path)!r} could not be removed ({error}); "
                "delete the folder.",
            )
        with suppress(OSError):
            self.path.rmdir()

    def _ours(self) -> list[Path]:
        kinds = (f"{PREFIX}*{SUFFIX}", TEMPORARIES)
        return [path for kind in kinds for path in self.path.glob(kind)]

    def _file(self, name: str) -> Path:
        return self.path / f"{PREFIX}{name}{SUFFIX}"

    def refusal(
        self,
        what: str,
        remedy: str = "delete the folder to fit anew, or set the path of another one",
    ) -> CheckpointError:
        """Error that says what is wrong with the folder, and the way out."""
        return CheckpointError(f"checkpoint={str(self.path)!r}: {what}; {remedy}.")


def _age(path: Path) -> int:
    """Key that sorts the newest files first."""
    return -path.stat().st_mtime_ns
