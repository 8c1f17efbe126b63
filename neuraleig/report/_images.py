"""Predictions for images, one at a time, and the images as the page shows them."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from neuraleig._terminal import each_with_bar
from neuraleig._typing import IntArray
from neuraleig._words import count_text
from neuraleig.plotting._checks import drawn_rows
from neuraleig.report._entries import cluster_entries
from neuraleig.report._statistics import Confidences
from neuraleig.segmentation import DenseSegmenter, PixelProbabilities
from neuraleig.segmentation.images._image_arrays import RGB, Labels
from neuraleig.segmentation.images._image_sets import ImageSet, as_image_set, readable
from neuraleig.segmentation.images._resize import resized_to
from neuraleig.segmentation.inference import labels_from_scores, refined_labels
from neuraleig.segmentation.outputs import label_colors, overlay
from neuraleig.segmentation.outputs._crops import BestCrops, Crop, outlined_crop

# Number of doubtful images on the page.
N_DOUBTFUL = 6
# Longer side in pixels of the pictures of doubtful images.
THUMBNAIL = 320
# Side of a crop in pixels; a page shows it a little smaller: six beside each other on a
# desk, and two on a telephone.
CROP_SIZE = 192


class DoubtfulImage(NamedTuple):
    """Image with a low mean probability, and a small picture of its clusters."""

    name: str
    confidence: float
    picture: RGB


class ImageSummary(NamedTuple):
    """Results for ``n_images`` of ``n_given`` images; the most doubtful come first."""

    n_images: int
    n_given: int
    counts: Confidences
    n_images_of: IntArray  # (n_clusters,), images in which each cluster occurs
    crops: list[list[Crop]]
    doubtful: list[DoubtfulImage]


def summarize_images(
    segmenter: DenseSegmenter,
    images: Any,  # noqa: ANN401 - whatever a fit takes
    max_images: int,
    n_crops: int,
    seed: int,
) -> ImageSummary:
    """Label images, or a sample of them, and keep crops and doubtful images."""
    given = as_image_set(images)
    found = readable(given.subset(drawn_rows(len(given), max_images, seed)))
    n_clusters = segmenter.n_clusters_
    colors = label_colors(n_clusters)
    counts = Confidences(n_clusters)
    crops = BestCrops(n_clusters, n_crops, CROP_SIZE)
    doubtful: list[DoubtfulImage] = []
    n_images_of = np.zeros(n_clusters, dtype=np.int64)
    names = found.names
    for number, (rgb, labels, mean) in enumerate(_labelled(segmenter, found, counts)):
        sizes = np.bincount(labels.ravel(), minlength=n_clusters)
        n_images_of += sizes > 0
        crops.add(rgb, labels, sizes)
        if len(doubtful) < N_DOUBTFUL or mean < doubtful[-1].confidence:
            picture = _thumbnail(overlay(rgb, labels, colors))
            image = DoubtfulImage(names[number], mean, picture)
            bisect.insort(doubtful, image, key=lambda one: one.confidence)
            del doubtful[N_DOUBTFUL:]
    best = [crops.best(cluster) for cluster in range(n_clusters)]
    return ImageSummary(len(found), len(given), counts, n_images_of, best, doubtful)


def image_entries(summary: ImageSummary, names: Mapping[int, str]) -> dict[str, Any]:
    """Return the variables of the template for clusters of pixels."""
    seen = count_text(summary.n_images, "image")
    if summary.n_images < summary.n_given:
        seen += f" of {summary.n_given:,}, drawn at random or readable"
    entries = cluster_entries(summary.counts, names, "pixel", seen)
    clusters = entries["clusters"]
    colors = label_colors(len(clusters))
    parts = zip(clusters, summary.crops, summary.n_images_of, colors, strict=True)
    for entry, crops, n_images, color in parts:
        entry["n_images"] = int(n_images)
        entry["crops"] = [outlined_crop(crop, color) for crop in crops]
    return entries | {
        "has_names": True,
        "n_images": summary.n_images,
        "doubtful_rows": None,
        "doubtful_images": summary.doubtful,
        "clusters_note": (
            "The largest regions of each cluster, outlined in its colour, in pale "
            f"surroundings, from {seen}."
        ),
    }


def labels_of_image(
    segmenter: DenseSegmenter, rgb: RGB, probabilities: PixelProbabilities
) -> Labels:
    """Return the labels of ``predict`` from the result of ``predict_proba``."""
    scores, lattice = probabilities.scores, probabilities.lattice
    if segmenter.refine is not None:
        return refined_labels(scores, rgb, lattice, radius=segmenter.refine_radius)
    return labels_from_scores(scores, lattice, probabilities.size)


def _labelled(
    segmenter: DenseSegmenter, images: ImageSet, counts: Confidences
) -> Iterator[tuple[RGB, Labels, float]]:
    """Yield images with their labels and mean probabilities, which are counted."""
    shown = bool(segmenter.verbose)
    for rgb in each_with_bar(images, "neuraleig: report", "images", shown=shown):
        (probabilities,) = segmenter.predict_proba([rgb])
        labels = labels_of_image(segmenter, rgb, probabilities)
        total = 0.0
        for rows, values in probabilities.strips():
            largest = values.max(axis=2)
            counts.add(labels[rows], largest)
            total += float(largest.sum(dtype=np.float64))
        yield rgb, labels, total / labels.size


def _thumbnail(rgb: RGB) -> RGB:
    factor = min(1.0, THUMBNAIL / max(rgb.shape))
    height, width = (max(1, round(side * factor)) for side in rgb.shape[:2])
    return resized_to(rgb, height, width)
