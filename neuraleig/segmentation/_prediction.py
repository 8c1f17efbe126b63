"""What a fitted segmentation says of images."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from neuraleig._typing import Array, IntArray
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.sampling import padded_inputs
from neuraleig.segmentation._clusters import merged_scores
from neuraleig.segmentation._geometry import Geometry, check_windows
from neuraleig.segmentation.backbones import CUDA_TOKENS, Backbone, extract
from neuraleig.segmentation.images._image_arrays import RGB, Labels
from neuraleig.segmentation.images._image_sets import (
    ImageSet,
    as_image_set,
    is_one_image,
)
from neuraleig.segmentation.inference import (
    Lattice,
    averaged_scores,
    labels_from_scores,
    probabilities_in_strips,
    refined_labels,
)

# Windows of an image that go through the networks together on a CPU, which is no
# faster with more.
WINDOWS_AT_A_TIME = 4


def windows_at_a_time(n_tokens: int, device: torch.device) -> int:
    """Windows of an image that go through the networks together.

    Parameters
    ----------
    n_tokens : int
        Tokens of a window.
    device : torch.device
        Where the networks are.

    Returns
    -------
    n_windows : int
        Four on a CPU. On CUDA as many as are one forward pass of the backbone, of
        16,384 tokens, and four at least: some 0.3 GiB for a ViT-S, whatever the image.
    """
    if device.type != "cuda":
        return WINDOWS_AT_A_TIME
    return max(WINDOWS_AT_A_TIME, CUDA_TOKENS // n_tokens)


@dataclass(frozen=True)
class PixelProbabilities:
    """Probabilities of all clusters at the pixels of one image, computed when read.

    Parameters
    ----------
    scores : Tensor of shape (h, w, n_clusters)
        Scores of the tokens, on the device where probabilities are computed.
    lattice : Lattice
        Where the tokens are.
    size : (int, int)
        Height and width of the image.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from neuraleig.segmentation import PixelProbabilities
    >>> from neuraleig.segmentation.inference import Lattice
    >>> scores = torch.zeros(2, 2, 5)
    >>> lazy = PixelProbabilities(scores, Lattice.of(16, 16, 8), (16, 16))
    >>> lazy.shape, np.asarray(lazy).sum(axis=2).max().round(4)
    ((16, 16, 5), np.float32(1.0))
    """

    scores: Tensor
    lattice: Lattice
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and number of clusters."""
        return (*self.size, int(self.scores.shape[2]))

    def strips(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Rows of the image, and the probabilities (n_rows, width, n_clusters) there.

        Memory: one strip of at most 16 MiB, and some working space.
        """
        return probabilities_in_strips(self.scores, self.lattice, self.size)

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.floating[Any]]:
        """All probabilities at once.

        Raises
        ------
        ValueError
            If ``copy`` is False: there is no array to share.
        """
        if copy is False:
            raise ValueError(
                "copy=False cannot be had: probabilities are computed when they are "
                "read, into an array of their own; pass copy=None, or read strips()."
            )
        probabilities = np.empty(self.shape, dtype=np.float32)
        for rows, values in self.strips():
            probabilities[rows] = values
        return (
            probabilities if dtype is None else probabilities.astype(dtype, copy=False)
        )


class ImagePredictor(ClusterMixin, BaseEstimator):
    """Base of what labels the pixels of images, one image at a time."""

    backbone_: Backbone
    eigenfunctions_: Eigenfunctions
    image_size: int | None
    window_size: int | None
    stride: int | None
    scales: Sequence[float]
    flip: bool
    refine: str | None
    refine_radius: float
    n_clusters_: int
    # Those of the fit.
    _geometry: Geometry
    _dtype: torch.dtype
    _groups: IntArray

    def predict(self, images: Any) -> Labels | list[Labels]:  # noqa: ANN401
        """Label the pixels of images, seen in the fit or not.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``.

        Returns
        -------
        labels : ndarray of shape (height, width), or list of them
            Labels of the pixels of every image at its own size, in the smallest
            unsigned integer type. An array for a single image, a list for anything
            else. They do not depend on the other images.
        """
        labels = list(self.iter_predict(images))
        return labels[0] if is_one_image(images) else labels

    def iter_predict(self, images: Any) -> Iterator[Labels]:  # noqa: ANN401
        """Label images one by one, for more than fit into memory.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``.

        Returns
        -------
        labels : iterator of ndarray of shape (height, width)
            In the order of the images.
        """
        return (self._labels(rgb) for rgb in self._checked_images(images))

    def predict_proba(self, images: Any) -> Iterator[PixelProbabilities]:  # noqa: ANN401
        """Probabilities of all clusters at every pixel, lazily.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``.

        Returns
        -------
        probabilities : iterator of PixelProbabilities
            One per image. ``numpy.asarray`` makes an array of shape (height, width,
            n_clusters) of it; its ``strips()`` do with less memory. The largest is
            the label, but for ``refine``, which changes labels alone.
        """
        return (
            PixelProbabilities(*self._scores(rgb), rgb.shape[:2])
            for rgb in self._checked_images(images)
        )

    def transform(self, images: Any) -> Array | list[Array]:  # noqa: ANN401
        """Evaluate the eigenfunctions at the tokens of images.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``.

        Returns
        -------
        functions : ndarray of shape (rows, columns, n_components), or list of them
            Of the tokens of every image, the constant function first, float32. An
            array for a single image.
        """
        values = [self._functions(rgb) for rgb in self._checked_images(images)]
        return values[0] if is_one_image(images) else values

    def with_windows(self, window_size: int | None, stride: int | None = None) -> Self:
        """Make a copy that sees images in other windows.

        Tokens are seen together with those of their window. Protocols of published
        scores have their own; ``set_params`` changes them in place.

        Parameters
        ----------
        window_size : int or None
            Side of the windows in pixels; ``None``: whole images.
        stride : int or None, default=None
            Distance of neighbouring windows; ``None``: two thirds of a window.

        Returns
        -------
        segmenter : DenseSegmenter
            With these parameters. It shares the fitted modules with this one, which
            stays as it is.

        Raises
        ------
        ValueError
            If one is no number of pixels, or the stride is larger than the window or
            has none.
        """
        check_is_fitted(self)
        check_windows(window_size, stride)
        other = copy.copy(self)
        other.set_params(window_size=window_size, stride=stride)
        return other

    def fit_predict(self, X: Any, y: None = None) -> Labels | list[Labels]:  # noqa: ANN401
        """Fit to images, and label them.

        Parameters
        ----------
        X : image, folder, sequence of images or data set
            Images.
        y : None
            Ignored.

        Returns
        -------
        labels : ndarray of shape (height, width), or list of them
            As from ``predict``.
        """
        self.fit(X)
        return self.predict(X)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Say that inputs are images, or paths of them."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _check_ready(self) -> None:
        """Refuse to predict before a fit; parameters are checked by who has them."""
        check_is_fitted(self)

    def _checked_images(self, images: Any) -> ImageSet:  # noqa: ANN401
        self._check_ready()
        return as_image_set(images)

    def _view(self) -> Geometry:
        """How images are seen now: by the parameters, which may differ from the fit."""
        return replace(
            self._geometry,
            image_size=self.image_size,
            window_size=self.window_size,
            stride=self.stride,
        )

    def _labels(self, rgb: RGB) -> Labels:
        scores, lattice = self._scores(rgb)
        if self.refine is not None:
            return refined_labels(scores, rgb, lattice, radius=self.refine_radius)
        return labels_from_scores(scores, lattice, rgb.shape[:2])

    def _scores(self, rgb: RGB) -> tuple[Tensor, Lattice]:
        """Scores of clusters on the lattice of an image."""
        lattice = self._view().lattice(*rgb.shape[:2])
        scores = self._averaged(rgb, lattice, self._score_windows)
        return merged_scores(scores, self._groups), lattice

    def _functions(self, rgb: RGB) -> Array:
        lattice = self._view().lattice(*rgb.shape[:2])
        values = self._averaged(rgb, lattice, self._evaluate_windows)
        found: Array = values.cpu().numpy()
        return found

    def _averaged(self, rgb: RGB, lattice: Lattice, of_windows: Any) -> Tensor:  # noqa: ANN401
        window = lattice.windows[0]
        return averaged_scores(
            self._view().seen(rgb),
            lattice,
            of_windows,
            batch_size=windows_at_a_time(window.height * window.width, self._device),
            scales=self.scales,
            flip=self.flip,
        )

    def _score_windows(self, windows: Tensor) -> Tensor:
        """Scores (n, h, w, n_clusters) of windows (n, 3, height, width)."""
        inputs, shape = self._inputs(windows)
        scores: Tensor = self._module.scores(inputs)
        return scores.reshape(*shape, -1)

    def _evaluate_windows(self, windows: Tensor) -> Tensor:
        """Eigenfunctions (n, h, w, n_components) of windows."""
        inputs, shape = self._inputs(windows)
        functions: Tensor = self.eigenfunctions_(inputs)[0]
        return functions.reshape(*shape, -1)

    def _inputs(self, windows: Tensor) -> tuple[Tensor, torch.Size]:
        features = extract(self.backbone_, windows, self._device, self._dtype)
        if not bool(torch.isfinite(features).all()):
            raise ValueError(
                "features are not finite: the backbone fails on this image, or its "
                "weights are damaged."
            )
        return padded_inputs(list(features)), features.shape[:3]

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self.eigenfunctions_.parameters()).device
        return device

    @property
    def _module(self) -> Any:  # noqa: ANN401 - torch's modules have any attribute
        return self.eigenfunctions_.network
