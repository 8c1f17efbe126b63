"""Identity of a fit for its checkpoint: parameters, data and seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.base import BaseEstimator

from neuraleig._components import ComposedEstimator
from neuraleig._random import Seeds
from neuraleig._standardize import SLICE_ELEMENTS
from neuraleig.training._checkpoint import NOTHING_KEPT, Checkpoint

# Parameters that do not change what a fit comes to. The seeds of the first attempt
# are kept, so that random_state counts only where it is a number.
WITHOUT_EFFECT = ("callbacks", "checkpoint", "checkpoint_interval", "n_jobs", "verbose")


def identity_of(estimator: BaseEstimator, device: torch.device) -> dict[str, Any]:
    """Parameters on which the result of a fit depends, as JSON.

    Functions count by their names, since their code cannot be compared.
    """
    identity = parameters_of(estimator, WITHOUT_EFFECT)
    identity["estimator"] = type(estimator).__name__
    identity["device"] = device.type
    return identity


def parameters_of(estimator: BaseEstimator, without: Collection[str]) -> dict[str, Any]:
    """Parameters as JSON, those of parts as ``<part>__<parameter>``.

    A part that is left to a default or a name counts as the part that it stands for.
    """
    found: dict[str, Any] = {}
    for name, value in estimator.get_params(deep=False).items():
        if name in without:
            continue
        if isinstance(estimator, ComposedEstimator):
            value = estimator._component(name, value)
        if isinstance(value, BaseEstimator):
            found[name] = type(value).__name__
            parts = parameters_of(value, without)
            found |= {f"{name}__{part}": json for part, json in parts.items()}
        else:
            found[name] = _as_json(value)
    return found


def check_same_data(checkpoint: Checkpoint, **data: object) -> None:
    """Refuse to go on with other data than those of the first attempt at a fit.

    Apart from the parameters, since which rows are drawn depends on the seeds of that
    attempt.

    Parameters
    ----------
    checkpoint : Checkpoint
        Keeps the hashes of the data.
    **data : array, sparse matrix or None
        By the names of the arguments of ``fit``.

    Raises
    ------
    CheckpointError
        If the data are others.
    """
    if checkpoint is NOTHING_KEPT:
        return
    hashes = {name: _hash_of(part) for name, part in data.items() if part is not None}
    saved = checkpoint.load("data")
    if saved is None:
        checkpoint.save("data", hashes)
        saved = hashes
    names = sorted(saved.keys() | hashes.keys())
    other = [name for name in names if saved.get(name) != hashes.get(name)]
    if other:
        raise checkpoint.refusal(f"it belongs to a fit with other {', '.join(other)}")
    checkpoint.bind(hashes)


def recall_seeds(checkpoint: Checkpoint, seeds: Seeds) -> Seeds:
    """Seeds of an earlier attempt at a fit, or the given ones."""
    saved: Seeds | None = checkpoint.load("seeds", Seeds)
    return saved or seeds


def keep_seeds(checkpoint: Checkpoint, seeds: Seeds) -> None:
    """Keep the seeds of a fit whose input was checked, for later attempts."""
    if checkpoint is not NOTHING_KEPT and checkpoint.load("seeds", Seeds) is None:
        checkpoint.save("seeds", seeds)


def _as_json(value: object) -> object:
    """A parameter as JSON, the same in every process."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, (tuple, list)):
        return [_as_json(part) for part in value]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, partial):
        return [_as_json(part) for part in (value.func, value.args, value.keywords)]
    if isinstance(value, dict):
        return {str(name): _as_json(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return _hash_of(value)
    if hasattr(value, "__qualname__"):
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    # A callable object: its class, and the plain attributes that it has.
    kind = type(value)
    plain = (bool, int, float, str, tuple, list, np.ndarray, np.generic, type(None))
    known = {
        name: _as_json(part)
        for name, part in getattr(value, "__dict__", {}).items()
        if isinstance(part, plain)
    }
    return {f"{kind.__module__}.{kind.__qualname__}": known}


def _hash_of(data: Any) -> str:  # noqa: ANN401
    """Hash of an array or a sparse matrix, read in slices."""
    found = hashlib.blake2b(digest_size=16)
    arrays = [data]
    if sp.issparse(data):
        rows = sp.csr_array(data)
        # Of one type: short matrices may have long indices.
        places = (rows.indices, rows.indptr)
        arrays = [rows.data, *(array.astype(np.int64, copy=False) for array in places)]
    for array in map(np.asarray, arrays):
        found.update(f"{array.dtype} {array.shape}".encode())
        step = max(1, SLICE_ELEMENTS // max(1, array[:1].size))
        for start in range(0, len(array), step):
            found.update(np.ascontiguousarray(array[start : start + step]).data)
    return found.hexdigest()
