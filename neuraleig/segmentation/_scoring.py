"""Scores of clusters: by labelled images, or by the graph of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from neuraleig._device import ordinary_torch
from neuraleig._typing import IntArray
from neuraleig.metrics import modularity
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation._pixel_probabilities import merged_scores
from neuraleig.segmentation._prediction import ImagePredictor
from neuraleig.segmentation._token_sample import KeptTokens, PreparedWindows, Units
from neuraleig.segmentation.evaluation import (
    ClusterMatching,
    ConfusionMatrix,
    SegmentationScores,
    match_clusters,
)
from neuraleig.segmentation.evaluation._class_codes import number_of_classes
from neuraleig.segmentation.evaluation._confusion import IGNORE_INDEX
from neuraleig.segmentation.evaluation._matching import Matching
from neuraleig.segmentation.images import read_mask
from neuraleig.segmentation.images._image_sets import (
    is_one_image,
    mask_sequence,
    readable,
)


class ClusterScoring(ImagePredictor):
    """Base of the segmenter: classes of clusters, and their scores."""

    # Of the sample of tokens where there are no masks.
    tokens_per_window: int | None
    max_tokens: int

    def match(
        self,
        images: Any,  # noqa: ANN401
        masks: Any,  # noqa: ANN401
        *,
        how: Matching = "majority",
        n_classes: int | None = None,
        ignore_index: int | None = IGNORE_INDEX,
    ) -> ClusterMatching:
        """Find the class of every cluster, by labelled images.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``.
        masks : mask or sequence of masks
            Classes of the pixels of every image: paths of PNG files, or arrays of
            integers.
        how : {"majority", "hungarian"}, default="majority"
            Several clusters to a class, or one to one.
        n_classes : int or None, default=None
            Number of classes; ``None``: one more than the largest in the masks. Pass
            it where images that are scored later may have a class that these lack.
        ignore_index : int or None, default=255
            Value of pixels without a class.

        Returns
        -------
        matching : ClusterMatching
            ``classes`` of the clusters, -1 for none; ``apply(labels)`` turns labels
            into classes, ``scores(confusion)`` measures the agreement.

        Raises
        ------
        ValueError
            If masks have other sizes than their images or values that are no classes,
            or the largest is too large to be one and ``n_classes`` is not given.
        """
        counts = self._confusion(images, masks, n_classes, ignore_index)
        return match_clusters(counts, how)

    def evaluate(
        self,
        images: Any,  # noqa: ANN401
        masks: Any,  # noqa: ANN401
        matching: ClusterMatching,
        *,
        class_names: Sequence[str] | None = None,
        ignore_index: int | None = IGNORE_INDEX,
    ) -> SegmentationScores:
        """Score classes of clusters that were found by other images.

        Parameters
        ----------
        images, masks
            As for :meth:`match`, of other images.
        matching : ClusterMatching
            As from :meth:`match`.
        class_names : sequence of str or None, default=None
            Names of the ``matching.n_classes`` classes.
        ignore_index : int or None, default=255
            As for :meth:`match`.

        Returns
        -------
        scores : SegmentationScores
            Pixel accuracy, mean IoU, and a ``table()`` of the classes.

        Raises
        ------
        ValueError
            If masks have other sizes than their images or classes that the map has
            not, or ``class_names`` are too many or too few.

        See Also
        --------
        neuraleig.segmentation.evaluate : Map and scores of a data set by a protocol.
        """
        if class_names is not None and len(class_names) != matching.n_classes:
            raise ValueError(
                f"class_names has {len(class_names)} names, but the map is to "
                f"{matching.n_classes} classes; name each of them, or pass "
                f"n_classes={len(class_names)} to match, whose masks may lack some."
            )
        counts = self._confusion(images, masks, matching.n_classes, ignore_index)
        return matching.scores(counts, class_names)

    @ordinary_torch()
    def score(self, images: Any, y: Any = None) -> float:  # noqa: ANN401
        """Mean IoU by labelled images, or modularity without labels.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``. Unreadable files are left out, with a warning, where there
            are no masks that belong to them.
        y : sequence of masks or None, default=None
            Classes, 255 for none. ``None``: clusters are judged by their modularity on
            a graph of tokens of the images, which can be compared between numbers of
            clusters. These are labels of some tokens of every window, alone: overlaps
            are not blended, and ``scales``, ``flip`` and ``refine`` change nothing.

        Returns
        -------
        score : float
            At most 1; higher is better. With masks the mean IoU of the best
            many-to-one matching on these very images.
        """
        if y is not None:
            counts = self._confusion(images, y, None, IGNORE_INDEX)
            return match_clusters(counts, "majority").scores(counts).mean_iou
        found = readable(self._checked_images(images))
        windows = ImageWindows(found, self._view(), self._tokens())
        # Seed 0: the same tokens on every call.
        kept = KeptTokens(windows.sizes, self.tokens_per_window, self.max_tokens, 0)
        units = Units(self.token_mean_, self.token_scale_)
        sample = PreparedWindows(windows, kept, units).sample(0)
        affinity: Any = self.clusterer_.affinity_.as_fitted()
        groups = sample.scenes(affinity.n_channels) if affinity.takes_groups else None
        if groups is not None and not groups.any():
            # One scene has no others.
            affinity.set_params(affinity__across_groups=False)
        graph = affinity.build(
            sample.rows,
            matrix=sample.pixel_graph(),
            groups=groups,
            device=self._device,
        )
        labels = self._labels_of_tokens([w.features for w in sample.windows])
        return modularity(graph.weights, labels[graph.index], uniform=graph.uniform)

    @torch.no_grad()
    def _labels_of_tokens(self, windows: Iterable[torch.Tensor]) -> IntArray:
        """Labels of the standardised tokens of some windows."""
        found = []
        for features in windows:
            scores = self._cluster_scores(features[None].to(self._device))
            labels = merged_scores(scores, self._groups).argmax(dim=1)
            found.append(labels.cpu().numpy())
        return np.concatenate(found)

    def _confusion(
        self,
        images: Any,  # noqa: ANN401
        masks: Any,  # noqa: ANN401
        n_classes: int | None,
        ignore_index: int | None,
    ) -> IntArray:
        """Pixels of every class and cluster."""
        found = self._checked_images(images)
        alone = is_one_image(images)
        given = [masks] if alone else mask_sequence(masks, len(found))
        if n_classes is None:
            values = map(read_mask, given)
            n_classes = number_of_classes(values, ignore_index, "n_classes")
        counts = ConfusionMatrix(n_classes, self.n_clusters_, ignore_index)
        for number, rgb in enumerate(found):
            mask = read_mask(given[number])
            counts.update(mask, self._labels(rgb), image=f"image {number}")
        return counts.counts
