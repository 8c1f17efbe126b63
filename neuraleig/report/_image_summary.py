"""What a fitted segmenter says of images, one image at a time."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuraleig.report._confidence import ConfidenceCounts, Confidences
from neuraleig.segmentation import DenseSegmenter, PixelProbabilities
from neuraleig.segmentation.images._image_arrays import RGB, Labels
from neuraleig.segmentation.images._image_sets import ImageSet, as_image_set, readable
from neuraleig.segmentation.images._resize import resized_to
from neuraleig.segmentation.inference import labels_from_scores, refined_labels
from neuraleig.segmentation.outputs import label_colors, overlay
from neuraleig.segmentation.outputs._crops import BestCrops, Crop

# Longer side of the pictures of images in doubt.
THUMBNAIL = 320
# Side of a crop: sharp on a screen of two pixels per point at half the size.
CROP_SIZE = 144


@dataclass(frozen=True)
class DoubtfulImage:
    """An image whose pixels are labelled with little confidence.

    Parameters
    ----------
    name : str
        Of the image.
    confidence : float
        Mean over its pixels of the largest probability.
    picture : uint8 ndarray of shape (height, width, 3)
        Small, under the colours of its clusters.
    """

    name: str
    confidence: float
    picture: RGB


@dataclass(frozen=True)
class ImageSummary:
    """What is known of images after one pass.

    Parameters
    ----------
    n_images : int
        Images that were looked at.
    n_given : int
        Images that there are.
    confidences : Confidences
        Sizes of clusters in pixels, and how probable labels are.
    crops : list of list of Crop
        Best crops of every cluster.
    doubtful : list of DoubtfulImage
        The least confident first.
    """

    n_images: int
    n_given: int
    confidences: Confidences
    crops: list[list[Crop]]
    doubtful: list[DoubtfulImage]


def summarize_images(
    segmenter: DenseSegmenter,
    images: Any,  # noqa: ANN401 - whatever a fit takes
    *,
    most: int,
    n_crops: int,
    n_doubtful: int,
    seed: int,
) -> ImageSummary:
    """Label images, and keep what shows the clusters.

    Parameters
    ----------
    segmenter : DenseSegmenter
        Fitted.
    images : image, folder, sequence of images or data set
        As for its ``fit``: unreadable files are left out, with a warning.
    most : int
        Images to look at; of more, as many are drawn.
    n_crops, n_doubtful : int
        Crops of every cluster and images in doubt to keep, at most.
    seed : int
        Seed of the draw.

    Returns
    -------
    summary : ImageSummary
        Memory: that of one prediction, and the crops.
    """
    given = as_image_set(images)
    found = readable(_drawn(given, most, seed))
    n_clusters = segmenter.n_clusters_
    colors = label_colors(n_clusters)
    counts = ConfidenceCounts(n_clusters)
    crops = BestCrops(n_clusters, n_crops, CROP_SIZE)
    doubtful: list[DoubtfulImage] = []
    names = found.names
    for number, (rgb, labels, mean) in enumerate(_labelled(segmenter, found, counts)):
        crops.add(rgb, labels, np.bincount(labels.ravel(), minlength=n_clusters))
        if len(doubtful) < n_doubtful or mean < doubtful[-1].confidence:
            picture = _thumbnail(overlay(rgb, labels, colors))
            image = DoubtfulImage(names[number], mean, picture)
            bisect.insort(doubtful, image, key=lambda one: one.confidence)
            del doubtful[n_doubtful:]
    return ImageSummary(
        len(found),
        len(given),
        counts.confidences(),
        [crops.best(cluster) for cluster in range(n_clusters)],
        doubtful,
    )


def labels_of_image(
    segmenter: DenseSegmenter, rgb: RGB, probabilities: PixelProbabilities
) -> Labels:
    """Labels as from ``predict``, without looking at the image again.

    Parameters
    ----------
    segmenter : DenseSegmenter
        Fitted; its ``refine`` holds.
    rgb : uint8 ndarray of shape (height, width, 3)
        Image.
    probabilities : PixelProbabilities
        What it says of the image.

    Returns
    -------
    labels : ndarray of shape (height, width)
        Cluster of every pixel.
    """
    scores, lattice = probabilities.scores, probabilities.lattice
    if segmenter.refine is not None:
        return refined_labels(scores, rgb, lattice, radius=segmenter.refine_radius)
    return labels_from_scores(scores, lattice, probabilities.size)


def _labelled(
    segmenter: DenseSegmenter, images: ImageSet, counts: ConfidenceCounts
) -> Iterator[tuple[RGB, Labels, float]]:
    """Images with their labels and mean confidences, which are counted."""
    for rgb in images:
        (probabilities,) = segmenter.predict_proba([rgb])
        labels = labels_of_image(segmenter, rgb, probabilities)
        total = 0.0
        for rows, values in probabilities.strips():
            largest = values.max(axis=2)
            counts.add(labels[rows], largest)
            total += float(largest.sum(dtype=np.float64))
        yield rgb, labels, total / labels.size


def _drawn(images: ImageSet, most: int, seed: int) -> ImageSet:
    if len(images) <= most:
        return images
    generator = np.random.default_rng(seed)
    return images.subset(np.sort(generator.permutation(len(images))[:most]))


def _thumbnail(rgb: RGB) -> RGB:
    height, width = rgb.shape[:2]
    factor = THUMBNAIL / max(height, width)
    if factor >= 1:
        return rgb
    return resized_to(
        rgb, max(1, round(height * factor)), max(1, round(width * factor))
    )
