"""Protocols of published scores: preparation of images, and evaluation."""

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
from neuraleig.segmentation.evaluation._scores import SegmentationScores
from neuraleig.segmentation.images import read_image
from neuraleig.segmentation.images._image_arrays import RGB
from neuraleig.segmentation.images._resize import (
    resize_mask,
    resized_to,
    short_side_size,
)

# Published sides and strides of windows at full size, in pixels.
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
    """Size and windows of the images in an evaluation.

    Parameters
    ----------
    name : str
        Name of the protocol.
    size : int or None, default=None
        Side in pixels of the square to which images and masks are resized (by the
        shorter side) and cropped (at the centre); None: full size.
    window_size, stride : int or None, default=None
        Side of the segmenter's windows and distance between them, in pixels; None: not
        part of the protocol. Pass them to ``DenseSegmenter.with_windows``.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.segmentation import PROTOCOLS
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
        """Protocol with the windows that were published for a data set.

        Parameters
        ----------
        name : str
            Name of the data set, see :func:`load_dataset`.

        Returns
        -------
        protocol : Protocol
            This one if it has windows, or none were published for the data set.
        """
        if self.window_size is not None or name not in FULL_SIZE_WINDOWS:
            return self
        window_size, stride = FULL_SIZE_WINDOWS[name]
        return replace(self, window_size=window_size, stride=stride)

    def prepare(self, image: RGB, mask: ArrayLike) -> tuple[RGB, NDArray[Any]]:
        """Resize and crop an image and its mask.

        Parameters
        ----------
        image : uint8 ndarray of shape (height, width, 3)
            RGB image.
        mask : array-like of shape (height, width)
            Class of each pixel.

        Returns
        -------
        image : uint8 ndarray of shape (new_height, new_width, 3)
            Resized with antialiased bilinear interpolation.
        mask : ndarray of shape (new_height, new_width)
            Resized with nearest neighbours; of the type of ``mask``.

        Raises
        ------
        ValueError
            If ``image`` is not such an array, or the mask has another size.
        """
        mask = np.asarray(mask)
        _check_sizes(image, mask)
        if self.size is None:
            return image, mask
        height, width = image.shape[:2]
        shape = short_side_size(height, width, self.size, cut=True)
        return (
            center_crop(resized_to(image, *shape), self.size),
            center_crop(resize_mask(mask, *shape), self.size),
        )


PROTOCOLS = {
    "reco": Protocol("reco", size=RECO_SIZE, window_size=RECO_SIZE, stride=RECO_SIZE),
    "sliding_window": Protocol("sliding_window"),
}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Result of :func:`evaluate`.

    Parameters
    ----------
    scores : SegmentationScores
        Pixel accuracy and IoU.
    matching : ClusterMatching
        Class of each cluster.
    confusion : ndarray of shape (n_classes, n_clusters), int64
        Pixels of each class in each cluster, in the scored images.
    map_confusion : ndarray of shape (n_classes, n_clusters), int64
        The same in the images of ``map_dataset``; else ``confusion`` itself.
    protocol : Protocol
        Size and windows of the images.
    n_images : int
        Number of scored images.

    Examples
    --------
    >>> found = evaluate(  # doctest: +SKIP
    ...     model.predict, dataset, n_clusters=27, protocol="reco"
    ... )
    >>> found.scores.mean_iou, found.matching.classes[:3]  # doctest: +SKIP
    """

    scores: SegmentationScores
    matching: ClusterMatching
    confusion: IntArray
    map_confusion: IntArray
    protocol: Protocol
    n_images: int


def evaluate(
    predict: Callable[[RGB], ArrayLike],
    dataset: SegmentationDataset,
    *,
    n_clusters: int,
    protocol: Protocol | str,
    how: Matching = "majority",
    map_dataset: SegmentationDataset | None = None,
) -> Evaluation:
    """Score clusters on a labelled data set under a published protocol.

    Parameters
    ----------
    predict : callable
        Function from a uint8 image (height, width, 3) to its clusters, integers of
        shape (height, width).
    dataset : SegmentationDataset
        Images to score.
    n_clusters : int
        Number of clusters of ``predict``.
    protocol : Protocol or {"reco", "sliding_window"}
        Preparation of images and masks.
    how : {"majority", "hungarian"}, default="majority"
        Rule for the classes of clusters, see :func:`match_clusters`.
    map_dataset : SegmentationDataset or None, default=None
        Other labelled images, from which clusters get their classes ("held out"). None:
        the scored images, as in published tables.

    Returns
    -------
    evaluation : Evaluation
        Scores, classes of the clusters, and counts.

    Raises
    ------
    ValueError
        If a data set is empty, the two have different classes, or an image, mask or
        prediction is not valid; the message names the file.

    See Also
    --------
    neuraleig.DenseSegmenter.evaluate : Scores on images and masks without a protocol.

    Notes
    -----
    One image is held at a time. Rows of the published tables, on the split "val" with
    ``how="majority"`` and without ``map_dataset``, for a ``segmenter`` with the windows
    of the protocol:

    ================== ================ ======================= ==============
    table              ``load_dataset`` ``protocol``            ``n_clusters``
    ================== ================ ======================= ==============
    Cityscapes, 27     cityscapes27     reco                    256
    Pascal Context, 59 pascal_context   reco                    256
    Pascal Context, 60 pascal_context60 sliding_window, 480/320 256
    Cityscapes, 19     cityscapes       sliding_window, 768/512 256
    ADE20K, 150        ade20k           sliding_window, 512/512 512
    ================== ================ ======================= ==============

    ``neuraleig segment evaluate --dataset cityscapes --root DIR`` fits a segmenter and
    evaluates it in one command.

    References
    ----------
    .. [1] Z. Deng and Y. Luo, "Learning neural eigenfunctions for unsupervised
       semantic segmentation", ICCV, 2023.
    .. [2] G. Shin, W. Xie and S. Albanie, "ReCo: retrieve and co-segment for
       zero-shot transfer", NeurIPS, 2022.

    Examples
    --------
    >>> from neuraleig.segmentation import PROTOCOLS, evaluate, load_dataset
    >>> dataset = load_dataset("cityscapes", "data", "val")  # doctest: +SKIP
    >>> protocol = PROTOCOLS["sliding_window"].for_dataset(dataset.name)
    ... # doctest: +SKIP
    >>> model = model.with_windows(  # doctest: +SKIP
    ...     protocol.window_size, protocol.stride
    ... )
    >>> found = evaluate(  # doctest: +SKIP
    ...     model.predict, dataset, n_clusters=256, protocol=protocol
    ... )
    """
    if map_dataset is not None and map_dataset.class_names != dataset.class_names:
        raise ValueError(
            f"map_dataset has {map_dataset.n_classes} classes "
            f"({_first_names(map_dataset)}) and dataset has {dataset.n_classes} "
            f"({_first_names(dataset)}); both must have the same classes in the same "
            "order, such as another split of the same set."
        )
    if not isinstance(protocol, Protocol):
        if protocol not in PROTOCOLS:
            raise ValueError(
                f"protocol={protocol!r} must be one of {', '.join(PROTOCOLS)}, or a "
                "Protocol."
            )
        protocol = PROTOCOLS[protocol]
    protocol = protocol.for_dataset(dataset.name)
    confusion = _counts(predict, dataset, n_clusters, protocol)
    map_confusion = confusion
    if map_dataset is not None:
        map_confusion = _counts(predict, map_dataset, n_clusters, protocol)
    matching = match_clusters(map_confusion, how)
    scores = matching.scores(confusion, dataset.class_names)
    return Evaluation(
        scores, matching, confusion, map_confusion, protocol, len(dataset)
    )


def _counts(
    predict: Callable[[RGB], ArrayLike],
    dataset: SegmentationDataset,
    n_clusters: int,
    protocol: Protocol,
) -> IntArray:
    """Pixels of each class in each cluster over a data set."""
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
    return confusion.counts


def center_crop(array: NDArray[Any], size: int) -> NDArray[Any]:
    """Square at the centre; halves of a pixel are rounded to even."""
    top, left = (round((length - size) / 2) for length in array.shape[:2])
    return array[top : top + size, left : left + size]


def _check_sizes(image: RGB, mask: NDArray[Any]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"image has shape {image.shape} and type {image.dtype}; it must be uint8 "
            "of shape (height, width, 3)."
        )
    if image.shape[:2] != mask.shape:
        raise ValueError(
            f"the image has shape {image.shape[:2]} but its mask has shape "
            f"{mask.shape}; give the mask of this image at its size (the mask of a "
            "photograph that EXIF turns must be turned as well)."
        )
    if mask.size == 0:
        raise ValueError(f"image has shape {image.shape}; it must have pixels.")


def _first_names(dataset: SegmentationDataset) -> str:
    return ", ".join(dataset.class_names[:3]) + ", ..."
