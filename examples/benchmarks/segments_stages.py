"""Scores of a DenseSegmenter by stage: from the labels of the graph to all tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from neuraleig import DenseSegmenter
from neuraleig._fit import _fit
from neuraleig.segmentation import SegmentationDataset, match_clusters, read_image
from neuraleig.segmentation import _segmenter as segmenter_module
from neuraleig.segmentation.evaluation import ConfusionMatrix
from neuraleig.segmentation.inference import Lattice
from neuraleig.segmentation.inference._upsample import pixel_centers

# Stages on pictures of the fit, mapped by one half of them and scored on the other,
# and on the pictures that are scored.
GRAPH, NETWORK = "labels of the graph, sampled tokens", "the network, sampled tokens"
TOKENS, SCORED = "the network, all tokens", "the network, tokens of scored pictures"
STAGES = (GRAPH, NETWORK, TOKENS, SCORED)
NO_CLASS = 255


@contextmanager
def recorded() -> Iterator[dict[str, Any]]:
    """Record the tokens of a fit and the labels of the graph, which no model keeps."""
    known: dict[str, Any] = {}
    solve, fit = _fit.solve_targets, segmenter_module.fit_to_tokens

    def solve_targets(graph: Any, *given: Any, **named: Any) -> Any:
        targets = solve(graph, *given, **named)
        known["labels"] = targets.labels.numpy()
        known["nodes"] = graph.index
        return targets

    def fit_to_tokens(clusterer: Any, sample: Any, *given: Any) -> Any:
        known["sample"] = sample
        return fit(clusterer, sample, *given)

    with (
        patch.object(_fit, "solve_targets", solve_targets),
        patch.object(segmenter_module, "fit_to_tokens", fit_to_tokens),
    ):
        yield known


def by_stage(
    model: DenseSegmenter,
    known: dict[str, Any],
    train: SegmentationDataset,
    val: SegmentationDataset,
    labelled: int,
) -> dict[str, float]:
    """Mean IoU of tokens, each of the class that most of its pixels have."""
    counts: dict[str, list[NDArray[np.int64]]] = {stage: [] for stage in STAGES}
    nodes, labels = known["nodes"], known["labels"]
    rows, pictures = known["sample"].rows[nodes], known["sample"].pictures[nodes]
    k = max(model.n_clusters_, int(labels.max()) + 1)

    def count(stage: str, classes: Any, clusters: Any) -> None:
        confusion = ConfusionMatrix(train.n_classes, k)
        counts[stage].append(
            confusion.update(np.atleast_2d(classes), np.atleast_2d(clusters)).counts
        )

    for stage, dataset in ((TOKENS, train), (SCORED, val)):
        for number, path in enumerate(dataset.images):
            rgb = read_image(path)
            scores, lattice = model._scores(rgb)
            found = scores.argmax(dim=2).numpy()
            classes = token_classes(dataset.read_mask(number), lattice, train.n_classes)
            count(stage, classes, found)
            own = pictures == number
            if stage == TOKENS and own.any():
                tokens = torch.from_numpy(next(iter(model.iter_tokens(rgb))))
                place = torch.cdist(torch.from_numpy(rows[own]), tokens).argmin(dim=1)
                count(GRAPH, classes.ravel()[place], labels[own])
                count(NETWORK, classes.ravel()[place], found.ravel()[place])
    of_scored = match_clusters(np.sum(counts[TOKENS][::labelled], axis=0))
    result = {stage: crossed(counts[stage]) for stage in (GRAPH, NETWORK, TOKENS)}
    return {**result, SCORED: of_scored.scores(np.sum(counts[SCORED], axis=0)).mean_iou}


def crossed(counts: list[NDArray[np.int64]]) -> float:
    """Mean IoU of every other picture by the map of the rest, and the reverse."""
    halves = [np.sum(counts[first::2], axis=0) for first in (0, 1)]
    found = [
        match_clusters(own).scores(other).mean_iou
        for own, other in (halves, halves[::-1])
    ]
    return float(np.mean(found))


def token_classes(
    mask: NDArray[Any], lattice: Lattice, n_classes: int
) -> NDArray[np.int64]:
    """Most frequent class (h, w) of the pixels of every token; 255 where none has."""
    rows, columns = (
        pixel_centers(n, seen, lattice.patch_size).round().long().clamp(0, most - 1)
        for n, seen, most in zip(
            mask.shape, (lattice.height, lattice.width), lattice.shape, strict=True
        )
    )
    token = (rows[:, None] * lattice.shape[1] + columns).numpy()
    has_class = mask < n_classes
    n_tokens = lattice.shape[0] * lattice.shape[1]
    place = token[has_class] * n_classes + mask[has_class]
    counts = np.bincount(place, minlength=n_tokens * n_classes)
    counts = counts.reshape(*lattice.shape, n_classes)
    found: NDArray[np.int64] = counts.argmax(axis=2)
    return np.where(counts.any(axis=2), found, NO_CLASS)
