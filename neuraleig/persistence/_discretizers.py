"""Fitted discretisers as tensors and plain JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.persistence._fitted import finite
from neuraleig.persistence._model_file import State
from neuraleig.persistence._records import Record
from neuraleig.reading import Argmax, ClusterQR, Discretizer, NearestCentre, Renumbered

ARGMAX, NEAREST, CLUSTER_QR = "argmax", "nearest_centre", "cluster_qr"
CLUSTERS, CENTRES, ROTATION = "clusters", "centres", "rotation"
ORDER = "order_of_clusters"


def discretizer_state(discretizer: Discretizer) -> State:
    """State of a fitted discretiser.

    Parameters
    ----------
    discretizer : Discretizer
        Its eigenvalues are those of the eigenfunctions, and are not stored again.

    Returns
    -------
    state : State
        Its own numbers; those of a stream also have the order of the clusters.
    """
    if isinstance(discretizer, Renumbered):
        inner = discretizer_state(discretizer.discretizer)
        order = {ORDER: _tensor(discretizer.order)}
        return State(inner.tensors | order, inner.content | {"renumbered": True})
    kept: dict[str, Tensor]
    if isinstance(discretizer, Argmax):
        kept = {CLUSTERS: _tensor(discretizer.clusters)}
        content: dict[str, Any] = {"kind": ARGMAX}
    elif isinstance(discretizer, NearestCentre):
        kept = {CENTRES: _tensor(discretizer.centres)}
        content = {"kind": NEAREST, "spread": float(discretizer.spread)}
    else:
        assert isinstance(discretizer, ClusterQR)
        kept, content = {ROTATION: _tensor(discretizer.rotation)}, {"kind": CLUSTER_QR}
    if not isinstance(discretizer, Argmax):
        content["diffusion_time"] = float(discretizer.diffusion_time)
    return State(kept, content | {"renumbered": False})


def make_discretizer(
    content: Record,
    tensors: dict[str, Tensor],
    eigenvalues: FloatArray,
    n_scores: int,
) -> Discretizer:
    """Discretiser of a state.

    Parameters
    ----------
    content : Record
        From :func:`discretizer_state`.
    tensors : dict of str to Tensor
        Likewise; those that belong to it are taken out.
    eigenvalues : ndarray of shape (n_components,)
        Those of the eigenfunctions.
    n_scores : int
        Scores of the label head.

    Returns
    -------
    discretizer : Discretizer
        Fitted.

    Raises
    ------
    ValueError
        If the state is none of a discretiser for these eigenfunctions.
    """
    kind = content.choice("kind", (ARGMAX, NEAREST, CLUSTER_QR))
    is_renumbered = content.flag("renumbered")
    made: Discretizer
    if kind == ARGMAX:
        clusters = _numbers(tensors, CLUSTERS)
        _check_clusters(clusters, n_scores)
        made, n_found = Argmax(clusters), clusters.size
    else:
        time = content.number("diffusion_time")
        if time < 0:
            raise ValueError(f"its diffusion time is {time}")
        if kind == NEAREST:
            centres = _matrix(tensors, CENTRES)
            n_found, n_used = centres.shape
            spread = content.number("spread")
            made = NearestCentre(centres, spread, eigenvalues, time)
        else:
            rotation = _matrix(tensors, ROTATION)
            n_used, n_found = rotation.shape
            made = ClusterQR(rotation, eigenvalues, time)
        if n_used > eigenvalues.size:
            raise ValueError(f"it looks at {n_used} of {eigenvalues.size} functions")
    content.end()
    if not is_renumbered:
        return made
    order = _numbers(tensors, ORDER)
    if not np.array_equal(np.sort(order), np.arange(n_found)):
        raise ValueError("its clusters are not numbered anew from 0")
    return Renumbered(made, order)


def _tensor(array: Array | IntArray) -> Tensor:
    """Array as a tensor, which remembers whether it lies by columns."""
    return torch.from_numpy(array.copy(order="K"))


def _numbers(tensors: dict[str, Tensor], name: str) -> IntArray:
    found: IntArray = finite(tensors, name, torch.int64).astype(np.int64, copy=False)
    return found


def _matrix(tensors: dict[str, Tensor], name: str) -> FloatArray:
    found = finite(tensors, name, n_dimensions=2)
    if 0 in found.shape:
        raise ValueError(f"{name!r} is of shape {found.shape}")
    return found.astype(np.float64, copy=False)


def _check_clusters(clusters: IntArray, n_scores: int) -> None:
    is_found = clusters.size > 0 and clusters[0] >= 0 and clusters[-1] < n_scores
    if not is_found or np.any(np.diff(clusters) <= 0):
        raise ValueError(f"its clusters are none of {n_scores} scores, in their order")
