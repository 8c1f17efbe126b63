"""Fitted segmenters as trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.persistence._backbones import (
    backbone_of,
    packed_backbone,
)
from neuraleig.persistence._forms import (
    check,
    check_names,
)
from neuraleig.persistence._parameters import (
    Brought,
    Missing,
    estimator_of,
    packed_parameters,
)
from neuraleig.persistence._row_estimators import (
    packed_row_estimator,
    row_estimator_of,
)
from neuraleig.persistence._schemas import FIT, SEGMENTER, TIMM
from neuraleig.segmentation import DenseSegmenter
from neuraleig.segmentation._cluster_table import Occurrences


def packed_segmenter(
    segmenter: DenseSegmenter, *, include_backbone: bool = False
) -> dict[str, Any]:
    """Tree of a fitted segmenter, without anything of the images."""
    device = next(segmenter.eigenfunctions_.parameters()).device
    tree: dict[str, Any] = {
        "parameters": packed_parameters(segmenter),
        "clusterer": packed_row_estimator(segmenter.clusterer_),
        "backbone": packed_backbone(
            segmenter.backbone_, device, with_weights=include_backbone
        ),
        "token_mean_": segmenter.token_mean_,
        "token_scale_": segmenter.token_scale_,
        "groups": segmenter._groups,
        "cluster_names": segmenter.cluster_names_,
        "fit": {name: getattr(segmenter, name) for name in FIT},
    }
    known = segmenter._occurrences
    if known is not None:
        tree["occurrences"] = {
            "counts": known.counts,
            "probabilities": known.probabilities,
        }
    return tree


def segmenter_of(
    tree: dict[str, Any], brought: Brought, device: torch.device
) -> DenseSegmenter:
    """Fitted segmenter of a tree, on a device."""
    check(tree, SEGMENTER, "content")
    segmenter: DenseSegmenter = estimator_of(
        DenseSegmenter, tree["parameters"], brought
    )
    clusterer: Any = row_estimator_of(
        NeuralEigenSpectralClustering, tree["clusterer"], brought, device
    )
    segmenter.clusterer_ = clusterer
    segmenter.token_mean_ = tree["token_mean_"]
    segmenter.token_scale_ = tree["token_scale_"]
    segmenter._groups, segmenter.cluster_names_ = tree["groups"], tree["cluster_names"]
    known = tree.get("occurrences")
    segmenter._occurrences = None if known is None else Occurrences(**known)
    for name, value in tree["fit"].items():
        setattr(segmenter, name, value)
    _check(segmenter, tree)
    # Last, since it may be fetched.
    segmenter.backbone_ = backbone = backbone_of(tree["backbone"], brought, device)
    segmenter.device_ = clusterer.device_
    has_weights, given = tree["backbone"]["weights"] is not None, segmenter.backbone
    if isinstance(given, Missing) or (callable(given) and has_weights):
        segmenter.backbone = getattr(backbone, "function", backbone)
    if tree["backbone"]["kind"] == TIMM and "weights" in brought.parts:
        segmenter.set_params(backbone__weights=brought.parts["weights"])
    return segmenter


def _check(segmenter: DenseSegmenter, tree: dict[str, Any]) -> None:
    """Refuse parts that do not go together."""
    reader, module = segmenter.clusterer_._discretizer, segmenter.eigenfunctions_
    row = np.ones((1, module.n_components)), np.zeros((1, module.network.n_clusters))
    n_scores = reader.probabilities(*row).shape[1]
    n_clusters, groups = segmenter.n_clusters_, segmenter._groups
    is_whole = np.array_equal(np.unique(groups), np.arange(n_clusters))
    if groups.size != n_scores or not is_whole:
        raise ValueError("its groups of clusters are not numbered from 0")
    check_names(segmenter.cluster_names_, n_clusters)
    _check_occurrences(segmenter._occurrences, n_scores)
    n_channels = sum(tree["backbone"]["n_channels"])
    widths = {
        n_channels,
        module.shift.numel(),
        segmenter.token_mean_.size,
        segmenter.token_scale_.size,
    }
    if len(widths) > 1:
        raise ValueError("its clusterer is not one for its backbone")
    if not (segmenter.token_scale_ > 0).all():
        raise ValueError("a unit of its tokens is not positive")


def _check_occurrences(known: Occurrences | None, n_clusters: int) -> None:
    """Refuse counts that are not of these clusters."""
    if known is None:
        return
    counts, sums = known.counts, known.probabilities
    is_whole = counts.shape[1] == n_clusters and counts.sum() > 0
    if not is_whole or (counts < 0).any():
        raise ValueError(f"its tokens are not those of {n_clusters} clusters")
    if sums is not None and (sums.shape != (n_clusters,) * 2 or (sums < 0).any()):
        raise ValueError(f"its probabilities are not those of {n_clusters} clusters")
