"""The state of a fitted segmenter."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import IntArray
from neuraleig.persistence._backbones import (
    BackboneRecord,
    backbone_record,
    backbone_state,
    made_anew,
    with_weights,
)
from neuraleig.persistence._fitted import (
    Brought,
    finite,
    fitted_estimator,
    fitted_state,
    refuse_rest,
)
from neuraleig.persistence._model_file import ModelFile, State
from neuraleig.persistence._parameters import Missing
from neuraleig.persistence._records import Record, shown
from neuraleig.segmentation import DenseSegmenter
from neuraleig.segmentation._geometry import Geometry

DTYPES = {str(d): d for d in (torch.float32, torch.bfloat16, torch.float16)}
# Attributes of a fit that are plain numbers.
NUMBERS = {
    "n_clusters_": int,
    "suggested_n_clusters_": int,
    "n_iter_": int,
    "n_images_": int,
    "modularity_": float,
}


def segmenter_state(
    segmenter: DenseSegmenter, *, include_backbone: bool = False
) -> State:
    """State of a fitted segmenter.

    Parameters
    ----------
    segmenter : DenseSegmenter
        Fitted.
    include_backbone : bool, default=False
        Whether the weights of the backbone are part of it.

    Returns
    -------
    state : State
        Without anything of the images.
    """
    state = fitted_state(segmenter, NUMBERS)
    device = next(segmenter.eigenfunctions_.parameters()).device
    backbone = backbone_state(segmenter.backbone_, device)
    groups = {"groups": torch.from_numpy(segmenter._groups.copy())}
    further = {
        "backbone": backbone.content,
        "geometry": asdict(segmenter._geometry),
        "dtype": str(segmenter._dtype),
        "cluster_names": {str(c): n for c, n in segmenter.cluster_names_.items()},
    }
    whole = State(state.tensors | backbone.tensors | groups, state.content | further)
    return with_weights(whole, segmenter.backbone_) if include_backbone else whole


def segmenter_from(
    file: ModelFile, brought: Brought, device: torch.device
) -> DenseSegmenter:
    """Fitted segmenter of a file.

    Parameters
    ----------
    file : ModelFile
        Whose state :func:`segmenter_state` returned.
    brought : Brought
        Backbone or weights that the user passes.
    device : torch.device
        Where it is to run.

    Returns
    -------
    segmenter : DenseSegmenter
        Fitted, with the parameters of the one that was saved but for the device.

    Raises
    ------
    ModelFileError
        If the state is not whole, or the backbone another one.
    OSError
        If the weights of the backbone are not there.
    """
    with file.checked():
        segmenter, record = _saved(file.state, brought)
    try:
        backbone = made_anew(record, brought, device)
    except (ValueError, KeyError, TypeError) as error:
        raise file.refusal(str(error)) from error
    segmenter.eigenfunctions_.to(device)
    segmenter.backbone_ = backbone
    segmenter.device_ = str(device)
    if isinstance(segmenter.backbone, Missing):
        # With the weights of the file, where it has any.
        own: Any = getattr(backbone, "function", backbone)
        is_own = brought.backbone is None or record.weights is not None
        segmenter.backbone = own if is_own else brought.backbone
    if brought.checkpoint is not None:
        segmenter.checkpoint = brought.checkpoint
    return segmenter


def _saved(state: State, brought: Brought) -> tuple[DenseSegmenter, BackboneRecord]:
    """Segmenter without its backbone, and what is said of that."""
    tensors = dict(state.tensors)
    content = Record(_with_living(state.content, tensors), "content")
    record = backbone_record(content.record("backbone"), tensors)
    network = content.peek("network")
    segmenter = fitted_estimator(DenseSegmenter, content, tensors, NUMBERS, brought)
    segmenter._geometry = _geometry(content.record("geometry"))
    segmenter._dtype = DTYPES[content.choice("dtype", DTYPES)]
    n_clusters = segmenter.n_clusters_
    segmenter._groups = _groups(tensors, network["n_clusters"], n_clusters)
    names = content.record("cluster_names").take_all()
    segmenter.cluster_names_ = _names(names, n_clusters)
    sizes = (sum(record.n_channels), record.patch_size)
    if (network["trunk"].get("n_features"), segmenter._geometry.patch_size) != sizes:
        raise ValueError("its network is not one for its backbone")
    refuse_rest(content, tensors)
    return segmenter, record


def _with_living(content: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Content whose network has no more clusters than there are groups of.

    Early versions wrote as many as were asked for, also where some had no tokens and
    the label head no rows for them.
    """
    network = Record(content, "content").peek("network")
    named, n_scores = network.get("n_clusters"), tensors["groups"].numel()
    if isinstance(named, int) and named > n_scores:
        network["n_clusters"] = n_scores
    return {**content, "network": network}


def _geometry(sizes: Record) -> Geometry:
    geometry = Geometry(
        patch_size=sizes.integer("patch_size", least=1),
        image_size=sizes.integer_or_none("image_size", least=1),
        window_size=sizes.integer_or_none("window_size", least=1),
        stride=sizes.integer_or_none("stride", least=1),
    )
    sizes.end()
    # Refuses strides that leave gaps.
    geometry.lattice(geometry.patch_size, geometry.patch_size)
    return geometry


def _groups(tensors: dict[str, Tensor], n_scores: int, n_clusters: int) -> IntArray:
    """Unions of clusters: consecutive numbers."""
    found = finite(tensors, "groups", torch.int64).astype(np.int64, copy=False)
    numbers = np.unique(found)
    is_whole = found.size == n_scores and numbers.size == n_clusters
    if not is_whole or not np.array_equal(numbers, np.arange(numbers.size)):
        raise ValueError("its groups of clusters are not numbered from 0")
    return found


def _names(names: dict[str, Any], n_clusters: int) -> dict[int, str]:
    found = {int(cluster): name for cluster, name in names.items()}
    for cluster, name in found.items():
        if not 0 <= cluster < n_clusters or not isinstance(name, str):
            raise ValueError(f"cluster {shown(cluster)} has the name {shown(name)}")
    return found
