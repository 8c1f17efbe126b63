"""Former segmenters whose numbers of clusters a fit follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from neuraleig.estimators._alignment import shown
from neuraleig.reading._alignment import FormerClusters
from neuraleig.segmentation._token_sample import TokenSample, Units
from neuraleig.segmentation.backbones import Backbone
from neuraleig.training._distributed import current_shard

if TYPE_CHECKING:
    from neuraleig.segmentation._segmenter import DenseSegmenter


class FormerSegmenter:
    """Former segmenter of a fit, if there is one.

    Only the first of several processes needs it.

    Parameters
    ----------
    align_to : DenseSegmenter, str, PathLike or None
        The segmenter, or its file.
    get : callable or None
        Returns it, from :func:`former_model`.
    """

    def __init__(
        self, align_to: object, get: Callable[..., DenseSegmenter] | None
    ) -> None:
        self._align_to = align_to
        self._get = get
        self._model: DenseSegmenter | None = None

    def load(self, backbone: Backbone, device: str) -> None:
        """Load the file, if it is one, and refuse a segmenter with another backbone.

        For a file the backbone of the fit is not made again.
        """
        current_shard().first(lambda: self._load(backbone, device))

    def clusters(self, sample: TokenSample, units: Units) -> FormerClusters | None:
        """Clusters at a sample of tokens, whose features are in other units."""
        return current_shard().first(lambda: self._clusters(sample, units))

    def _load(self, backbone: Backbone, device: str) -> None:
        if self._get is None:
            return
        former = self._get(device=device, backbone=backbone)
        if former.backbone_.identity != backbone.identity:
            raise ValueError(
                f"{shown(self._align_to)} was fitted with backbone "
                f"{former.backbone_.identity}, and this fit has {backbone.identity}; "
                "pass a model with the same backbone, or leave align_to out."
            )
        self._model = former

    def _clusters(self, sample: TokenSample, units: Units) -> FormerClusters | None:
        former = self._model
        if former is None:
            return None
        own = Units(former.token_mean_, former.token_scale_)
        # In float64: the same units give the same bits.
        windows = (
            own.standardized(units.features(window.features.double())).float()
            for window in sample.windows
        )
        labels = former._labels_of_tokens(windows)
        return FormerClusters(labels, former.n_clusters_, former.cluster_names_)
