"""A folder that keeps what an interrupted piece of work had come to."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from neuraleig._atomic import TEMPORARIES, atomic_file
from neuraleig._warnings import warn_user

# How entries are laid out. Raise it when what was saved before cannot be read.
SCHEMA = 1
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

    def save(self, name: str, tree: Mapping[str, Any]) -> None:
        """Keep a tree of dicts, lists, numbers, strings, arrays and tensors."""

    def load(self, name: str) -> dict[str, Any] | None:
        """Tree that was kept, with tensors for arrays; ``None`` if there is none."""
        return None

    def clear(self) -> None:
        """Forget everything."""

    def refusal(self, what: str) -> CheckpointError:
        """Error that says what is wrong, and the way out."""
        return CheckpointError(what)


NOTHING_KEPT = Checkpoint()
"""The checkpoint of work that is not to be saved."""


class CheckpointFolder(Checkpoint):
    """A folder of entries, each of which is replaced as a whole or not at all.

    An entry is one safetensors file: its tensors, and in its header the rest of the
    tree as JSON, the schema, a hash of it all, and whose work it is.

    Parameters
    ----------
    path : str or PathLike
        Folder; made if there is none.
    identity : mapping of str to JSON values
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
        self.identity = json.loads(json.dumps(dict(identity)))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.refusal(
                f"the folder cannot be made ({error})", "choose another path"
            ) from error

    def save(self, name: str, tree: Mapping[str, Any]) -> None:
        """Replace an entry; one that cannot be written leaves the former as it was."""
        tensors: dict[str, Tensor] = {}
        header = {
            "schema": str(SCHEMA),
            "identity": json.dumps(self.identity),
            "tree": json.dumps(_packed(tree, name, tensors)),
        }
        header["hash"] = _hash(header, tensors)
        content = safetensors.torch.save(tensors, header)
        try:
            with atomic_file(self._file(name)) as file:
                file.write(content)
        except OSError as error:
            raise self.refusal(
                f"{name!r} cannot be written ({error}); what was saved before is "
                "still there",
                "make room or set the path of another folder, and fit again to go on",
            ) from error

    def load(self, name: str) -> dict[str, Any] | None:
        """Tree of an entry, or ``None`` if it was never saved."""
        path = self._file(name)
        if not path.exists():
            return None
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                # Copies: what is read must not hang on a file that is to be removed.
                tensors = {key: file.get_tensor(key).clone() for key in file.keys()}
        except (safetensors.SafetensorError, OSError) as error:
            raise self._damaged(path, str(error)) from error
        self._check(path, header, tensors)
        tree: dict[str, Any] = _unpacked(json.loads(header["tree"]), tensors)
        return tree

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

    def _check(
        self, path: Path, header: dict[str, str], tensors: dict[str, Tensor]
    ) -> None:
        """Refuse what is not whole, of another schema, or of another identity."""
        schema, found = header.get("schema"), header.pop("hash", None)
        if schema != str(SCHEMA):
            theirs = f"schema {schema}" if schema else "no schema"
            raise self.refusal(
                f"{path.name} has {theirs}, and this version of neuraleig reads "
                f"schema {SCHEMA}"
            )
        if found != _hash(header, tensors):
            raise self._damaged(path, "its hash is wrong")
        owner = json.loads(header["identity"])
        names = sorted(owner.keys() | self.identity.keys())
        other = [n for n in names if owner.get(n) != self.identity.get(n)]
        if other:
            raise self.refusal(f"it belongs to a fit with other {', '.join(other)}")

    def _damaged(self, path: Path, reason: str) -> CheckpointError:
        return self.refusal(f"{path.name} is damaged ({reason})")

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


def _packed(tree: object, name: str, tensors: dict[str, Tensor]) -> object:
    """JSON of a tree, whose arrays and tensors go to ``tensors``."""
    if isinstance(tree, np.ndarray):
        tree = torch.from_numpy(tree)
    if isinstance(tree, Tensor):
        # A copy: safetensors refuses tensors that share memory.
        tensors[name] = tree.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(tree, Mapping):
        items = [[k, _packed(v, f"{name}.{k}", tensors)] for k, v in tree.items()]
        return {"items": items}
    if isinstance(tree, (list, tuple)):
        return [_packed(v, f"{name}.{i}", tensors) for i, v in enumerate(tree)]
    # Numbers of numpy come from parameters and from callbacks of users.
    return tree.item() if isinstance(tree, np.generic) else tree


def _unpacked(tree: Any, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401
    """Tree of what :func:`_packed` made."""
    if isinstance(tree, list):
        return [_unpacked(part, tensors) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        return tensors[tree["tensor"]]
    return {key: _unpacked(value, tensors) for key, value in tree["items"]}


def _hash(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """Hash of everything in a file."""
    found = hashlib.blake2b(digest_size=16)
    found.update(json.dumps(sorted(header.items())).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # Bytes whatever the type: numpy does not know bfloat16.
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
