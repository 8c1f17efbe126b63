"""How images are shown to a segmenter and how its labels are scored, as published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuraleig._typing import IntArray
from neuraleig.segmentation.evaluation._confusion import ConfusionMatrix
from neuraleig.segmentation.evaluation._datasets import SegmentationDataset
from neuraleig.segmentation.evaluation._matching import (
    ClusterMatching,
    Matching,
    match_clusters,
)
from neuraleig.segmentation.evaluation._metrics import SegmentationScores
from neuraleig.segmentation.images import read_image, resized_to, short_side_size

Image = NDArray[np.uint8]

# Side and stride of the windows at full size, by data set.
FULL_SIZE_WINDOWS = {
    "pascal_context": (480, 320),
    "pascal_context60": (480, 320),
    "cityscapes": (768, 512),
    "cityscapes27": (768, 512),
    "ade20k": (512, 512),
}
RECO_SIZE = 320


@dataclass(frozen=True)
class Protocol:
    """What a segmenter is shown, and in which windows.

    Parameters
    ----------
    name : str
        Name of the protocol.
    size : int or None, default=None
        If given, images and masks are resized such that their short side has this
        many pixels, and cropped to a square of it at the centre; None leaves them at
        their size.
    window_size, stride : int or None, default=None
        Side of the windows of the segmenter and steps between them, in pixels; None
        where the protocol does not say.

    Notes
    -----
    A protocol prepares images and masks. The windows are for the segmenter:
    ``segmenter.with_windows(protocol.window_size, protocol.stride)`` sees images in
    them.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.segmentation.evaluation._protocols import PROTOCOLS
    >>> image = np.zeros((480, 640, 3), dtype=np.uint8)
    >>> mask = np.zeros((480, 640), dtype=np.int64)
    >>> image, mask = PROTOCOLS["reco"].prepare(image, mask)
    >>> image.shape, mask.shape
    ((320, 320, 3), (320, 320))
    >>> protocol = PROTOCOLS["sliding_window"].for_dataset("cityscapes")
    >>> protocol.window_size, protocol.stride
    (768, 512)
    """

    name: str
    size: int | None = None
    window_size: int | None = None
    stride: int | None = None

    def for_dataset(self, name: str) -> Protocol:
        """Fill in the windows that were published for a data set.

        Parameters
        ----------
        name : str
            Name of the set, as :func:`load_dataset` takes it.

        Returns
        -------
        protocol : Protocol
            This one where it has windows or none were published for the set.
        """
        if self.window_size is not None or name not in FULL_SIZE_WINDOWS:
            return self
        window_size, stride = FULL_SIZE_WINDOWS[name]
        return replace(self, window_size=window_size, stride=stride)

    def prepare(self, image: Image, mask: ArrayLike) -> tuple[Image, NDArray[Any]]:
        """Bring an image and its mask to the size at which they are scored.

        Parameters
        ----------
        image : ndarray of shape (height, width, 3), uint8
            Image in RGB.
        mask : array-like of shape (height, width)
            Class of every pixel.

        Returns
        -------
        image : ndarray of shape (new_height, new_width, 3), uint8
            Resized bilinearly with antialiasing.
        mask : ndarray of shape (new_height, new_width)
            Resized with nearest neighbours, of the type that it had.

        Raises
        ------
        ValueError
            If image and mask are not of the same size.
        """
        mask = np.asarray(mask)
        _check_sizes(image, mask)
        if self.size is None:
            return image, mask
        height, width = short_side_size(
            image.shape[0], image.shape[1], self.size, cut=True
        )
        return (
            center_crop(resized_to(image, height, width), self.size),
            center_crop(resize_mask(mask, height, width), self.size),
        )


PROTOCOLS = {
    "reco": Protocol("reco", size=RECO_SIZE, window_size=RECO_SIZE, stride=RECO_SIZE),
    "sliding_window": Protocol("sliding_window"),
}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation found.

    Parameters
    ----------
    scores : SegmentationScores
        Pixel accuracy, mean IoU and those of every class.
    matching : ClusterMatching
        Class of every cluster.
    confusion : ndarray of shape (n_classes, n_clusters), int64
        Pixels of each class in each cluster, of the scored images.
    map_confusion : ndarray of shape (n_classes, n_clusters), int64
        The same of the images on which the map was found; ``confusion`` itself
        unless other images were given.
    protocol : Protocol
        How images were prepared.
    n_images : int
        Images scored.
    """

    scores: SegmentationScores
    matching: ClusterMatching
    confusion: IntArray
    map_confusion: IntArray
    protocol: Protocol
    n_images: int


def evaluate(
    predict: Callable[[Image], ArrayLike],
    dataset: SegmentationDataset,
    *,
    n_clusters: int,
    protocol: Protocol | str,
    how: Matching = "majority",
    map_dataset: SegmentationDataset | None = None,
) -> Evaluation:
    """Score a segmenter on a labelled set under a published protocol.

    Parameters
    ----------
    predict : callable
        From an image, uint8 in RGB of shape (height, width, 3), to its clusters,
        integers of shape (height, width).
    dataset : SegmentationDataset
        Images to score.
    n_clusters : int
        Number of clusters that ``predict`` may return.
    protocol : Protocol or {"reco", "sliding_window"}
        How images and masks are prepared.
    how : {"majority", "hungarian"}, default="majority"
        Rule that gives clusters their classes, see :func:`match_clusters`.
    map_dataset : SegmentationDataset or None, default=None
        Labelled images on which clusters are given their classes, prepared alike
        ("held out"); the scored ones if None, as in the published tables.

    Returns
    -------
    evaluation : Evaluation
        Scores, map and counts.

    Raises
    ------
    ValueError
        If a set is empty, the two sets have other classes, an image and its mask or
        its labels are of different size, or a label is out of range; the file is
        named.

    Notes
    -----
    One image is held at a time. The rows of the published tables:

    ================== ================ ======================= ==============
    table              ``load_dataset`` ``protocol``            ``n_clusters``
    ================== ================ ======================= ==============
    Cityscapes, 27     cityscapes27     reco                    256
    Pascal Context, 59 pascal_context   reco                    256
    Pascal Context, 60 pascal_context60 sliding_window, 480/320 256
    Cityscapes, 19     cityscapes       sliding_window, 768/512 256
    ADE20K, 150        ade20k           sliding_window, 512/512 512
    ================== ================ ======================= ==============

    each on the split "val" with ``how="majority"`` and no ``map_dataset``, for a
    fitted ``segmenter`` with the windows of the protocol (on a command line
    ``neuraleig segment evaluate --dataset cityscapes --root DIR``, which fits first)::

        dataset = load_dataset("cityscapes", root, "val")
        protocol = PROTOCOLS["sliding_window"].for_dataset(dataset.name)
        segmenter = segmenter.with_windows(protocol.window_size, protocol.stride)
        found = evaluate(
            lambda image: segmenter.predict([image])[0],
            dataset,
            n_clusters=256,
            protocol=protocol,
        )
        found.scores.pixel_accuracy, found.scores.mean_iou

    References
    ----------
    .. [1] Z. Deng and Y. Luo, "Learning neural eigenfunctions for unsupervised
       semantic segmentation", ICCV, 2023.
    .. [2] G. Shin, W. Xie and S. Albanie, "ReCo: retrieve and co-segment for
       zero-shot transfer", NeurIPS, 2022.
    """
    if map_dataset is not None and map_dataset.class_names != dataset.class_names:
        raise ValueError(
            f"map_dataset has {map_dataset.n_classes} classes "
            f"({_first_names(map_dataset)}) and dataset has {dataset.n_classes} "
            f"({_first_names(dataset)}); both must have the same classes in the same "
            "order, such as another split of the same set."
        )
    chosen = _checked_protocol(protocol).for_dataset(dataset.name)
    confusion = count_dataset(predict, dataset, n_clusters, chosen).counts
    map_confusion = confusion
    if map_dataset is not None:
        map_confusion = count_dataset(predict, map_dataset, n_clusters, chosen).counts
    matching = match_clusters(map_confusion, how)
    return Evaluation(
        scores=matching.scores(confusion, dataset.class_names),
        matching=matching,
        confusion=confusion,
        map_confusion=map_confusion,
        protocol=chosen,
        n_images=len(dataset),
    )


def count_dataset(
    predict: Callable[[Image], ArrayLike],
    dataset: SegmentationDataset,
    n_clusters: int,
    protocol: Protocol,
) -> ConfusionMatrix:
    """Pixels of each class in each cluster over a set, one image at a time.

    Parameters
    ----------
    predict : callable
        From an image to its clusters.
    dataset : SegmentationDataset
        Images and masks.
    n_clusters : int
        Number of clusters that ``predict`` may return.
    protocol : Protocol
        How images and masks are prepared.

    Returns
    -------
    confusion : ConfusionMatrix
        Counts over all images.
    """
    if len(dataset) == 0:
        raise ValueError(
            f"the data set {dataset.name!r} ({dataset.split!r}) has no image; check "
            "the folder from which its paths were listed."
        )
    confusion = ConfusionMatrix(dataset.n_classes, n_clusters, dataset.ignore_index)
    for number, path in enumerate(dataset.images):
        where = f"image {number} ({path})"
        try:
            image, mask = protocol.prepare(read_image(path), dataset.read_mask(number))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        confusion.update(mask, predict(image), image=where)
    return confusion


def resize_mask(mask: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Mask of another size: each pixel takes the value at its centre."""
    rows = _nearest(mask.shape[0], height)
    columns = _nearest(mask.shape[1], width)
    return np.asarray(mask[rows[:, None], columns])


def center_crop(array: NDArray[Any], size: int) -> NDArray[Any]:
    """Square at the centre; where that lies between pixels, rounded to the even one."""
    top, left = (round((length - size) / 2) for length in array.shape[:2])
    return array[top : top + size, left : left + size]


def _nearest(length: int, new_length: int) -> IntArray:
    """Old pixel under the centre of each new one, in exact integers."""
    return (2 * np.arange(new_length, dtype=np.int64) + 1) * length // (2 * new_length)


def _check_sizes(image: Image, mask: NDArray[Any]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"image has shape {image.shape} and type {image.dtype}; it must be uint8 "
            "of shape (height, width, 3)."
        )
    if image.shape[:2] != mask.shape:
        raise ValueError(
            f"the image has shape {image.shape[:2]} but its mask has shape "
            f"{mask.shape}; give the mask of this image at its size (photographs that "
            "are turned by a tag need masks that are turned as well)."
        )
    if mask.size == 0:
        raise ValueError(f"image has shape {image.shape}; it must have pixels.")


def _checked_protocol(protocol: Protocol | str) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise ValueError(
            f"protocol={protocol!r} must be one of {', '.join(PROTOCOLS)}, or a "
            "Protocol."
        )
    return PROTOCOLS[protocol]


def _first_names(dataset: SegmentationDataset) -> str:
    return ", ".join(dataset.class_names[:3]) + ", ..."
