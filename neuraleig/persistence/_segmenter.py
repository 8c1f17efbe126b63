"""Fitted segmenters as trees."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from neuraleig.persistence._backbones import BACKBONE, backbone_of, packed_backbone
from neuraleig.persistence._forms import (
    NUMBER,
    Form,
    Schema,
    choice,
    integer,
    numbers,
)
from neuraleig.persistence._parameters import Brought, Missing
from neuraleig.persistence._row_estimators import FITTED, fitted, packed_fit
from neuraleig.segmentation import DenseSegmenter
from neuraleig.segmentation._geometry import Geometry

DTYPES = {str(d): d for d in (torch.float32, torch.bfloat16, torch.float16)}
POSITIVE = integer(least=1)
SEGMENTER: dict[str, Schema] = FITTED | {
    "fit": {
        "n_clusters_": POSITIVE,
        "suggested_n_clusters_": integer(),
        "n_iter_": integer(),
        "n_images_": integer(),
        "modularity_": NUMBER,
    },
    "backbone": BACKBONE,
    "geometry": {
        "patch_size": POSITIVE,
        "image_size": (POSITIVE,),
        "window_size": (POSITIVE,),
        "stride": (POSITIVE,),
    },
    "dtype": choice(DTYPES),
    # Union of clusters that every score belongs to.
    "groups": numbers(dtype=np.int64),
    "cluster_names": Form(
        "texts by the numbers of clusters",
        lambda found: (
            isinstance(found, dict)
            and all(type(k) is int and isinstance(v, str) for k, v in found.items())
        ),
    ),
}


def packed_segmenter(
    segmenter: DenseSegmenter, *, include_backbone: bool = False
) -> dict[str, Any]:
    """Tree of a fitted segmenter, without anything of the images."""
    device = next(segmenter.eigenfunctions_.parameters()).device
    return packed_fit(segmenter, SEGMENTER) | {
        "backbone": packed_backbone(
            segmenter.backbone_, device, with_weights=include_backbone
        ),
        "geometry": asdict(segmenter._geometry),
        "dtype": str(segmenter._dtype),
        "groups": segmenter._groups,
        "cluster_names": segmenter.cluster_names_,
    }


def segmenter_of(
    tree: dict[str, Any], brought: Brought, device: torch.device
) -> DenseSegmenter:
    """Fitted segmenter of a tree, on a device."""
    segmenter: DenseSegmenter = fitted(DenseSegmenter, tree, SEGMENTER, brought)
    segmenter._geometry = Geometry(**tree["geometry"])
    segmenter._dtype = DTYPES[tree["dtype"]]
    segmenter._groups, segmenter.cluster_names_ = tree["groups"], tree["cluster_names"]
    _check(segmenter, tree)
    # Last, since it may be fetched.
    segmenter.backbone_ = backbone = backbone_of(tree["backbone"], brought, device)
    segmenter.eigenfunctions_.to(device)
    segmenter.device_ = str(device)
    has_weights, given = tree["backbone"]["weights"] is not None, segmenter.backbone
    if isinstance(given, Missing) or (callable(given) and has_weights):
        segmenter.backbone = getattr(backbone, "function", backbone)
    if "weights" in brought.parts:
        segmenter.checkpoint = brought.parts["weights"]
    return segmenter


def _check(segmenter: DenseSegmenter, tree: dict[str, Any]) -> None:
    """Refuse parts that do not go together."""
    network: Any = segmenter.eigenfunctions_.network
    geometry, backbone = segmenter._geometry, tree["backbone"]
    n_clusters, groups = segmenter.n_clusters_, segmenter._groups
    # Refuses strides that leave gaps.
    geometry.lattice(geometry.patch_size, geometry.patch_size)
    is_whole = np.array_equal(np.unique(groups), np.arange(n_clusters))
    if groups.size != network.n_clusters or not is_whole:
        raise ValueError("its groups of clusters are not numbered from 0")
    if any(not 0 <= cluster < n_clusters for cluster in segmenter.cluster_names_):
        raise ValueError(f"names of clusters beyond {n_clusters}")
    sizes = sum(backbone["n_channels"]), backbone["patch_size"]
    n_features = getattr(network.trunk, "n_features", None)
    if (n_features, geometry.patch_size) != sizes:
        raise ValueError("its network is not one for its backbone")
