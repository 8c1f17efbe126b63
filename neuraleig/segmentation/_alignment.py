"""Former segmenters whose numbers of clusters a fit follows."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neuraleig._typing import Array, IntArray
from neuraleig.estimators._alignment import FindFormer, former_model, shown
from neuraleig.reading._alignment import FormerClusters
from neuraleig.sampling import TokenWindow
from neuraleig.segmentation._pixel_probabilities import merged_scores
from neuraleig.segmentation._token_sample import TokenSample, Units
from neuraleig.segmentation.backbones import Backbone

if TYPE_CHECKING:
    from neuraleig.segmentation._segmenter import DenseSegmenter

FindTokens = Callable[[TokenSample, Units], FindFormer]
"""Finds the clusters of a former segmenter at a sample of tokens in new units."""


def find_former_tokens(
    align_to: object, kind: type[DenseSegmenter], backbone: Backbone, device: str
) -> FindTokens | None:
    """Clusters of the former segmenter of a fit, if there is one.

    Parameters
    ----------
    align_to : DenseSegmenter, str, PathLike or None
        Former segmenter, or its file.
    kind : type
        Class that it must be of.
    backbone : Backbone
        That of the fit. The former segmenter must have the same one, which is not made
        again for a file.
    device : str
        Device of a former segmenter from a file.

    Returns
    -------
    find : callable or None
        From a sample and its units to what finds the clusters.

    Raises
    ------
    ValueError
        If the former segmenter cannot be used, or has another backbone.
    """
    if align_to is None:
        return None
    is_file = isinstance(align_to, str | PathLike)
    of_file: dict[str, Any] = {"device": device, "backbone": backbone}
    former = former_model(align_to, kind, **(of_file if is_file else {}))
    if former.backbone_.identity != backbone.identity:
        raise ValueError(
            f"{shown(align_to)} was fitted with backbone "
            f"{former.backbone_.identity}, and this fit has {backbone.identity}; pass "
            "a model with the same backbone, or leave align_to out."
        )

    def find_in(sample: TokenSample, units: Units) -> FindFormer:
        def find(rows: Array) -> FormerClusters:
            labels = [_labels(former, window, units) for window in sample.windows]
            return FormerClusters(
                np.concatenate(labels), former.n_clusters_, former.cluster_names_
            )

        return find

    return find_in


@torch.inference_mode()
def _labels(former: DenseSegmenter, window: TokenWindow, units: Units) -> IntArray:
    """Clusters of the tokens of a window, whose features are in other units."""
    # In float64: the same units give the same bits.
    features = units.features(window.features.double())
    own = Units(former.token_mean_, former.token_scale_).standardized(features)
    scores = former._cluster_scores(own.float()[None].to(former._device))
    labels: IntArray = merged_scores(scores, former._groups).argmax(dim=1).cpu().numpy()
    return labels
