"""Labels, probabilities and eigenfunctions of images."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from operator import attrgetter
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from sklearn.base import ClusterMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from neuraleig._components import ComposedEstimator
from neuraleig._device import ordinary_torch
from neuraleig._typing import Array, IntArray
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.reading import Argmax
from neuraleig.sampling import padded_inputs
from neuraleig.segmentation._clusterer import sees_windows
from neuraleig.segmentation._geometry import Geometry, check_windows
from neuraleig.segmentation._pixel_probabilities import (
    PixelProbabilities,
    merged_scores,
)
from neuraleig.segmentation._token_sample import Units
from neuraleig.segmentation._window_tokens import (
    WindowTokens,
    tokens_key,
    windows_at_a_time,
)
from neuraleig.segmentation.backbones import Backbone
from neuraleig.segmentation.backbones._feature_cache import (
    NOTHING,
    SHARED,
    TEMPORARY,
    KeptStore,
    NoCache,
)
from neuraleig.segmentation.images._image_arrays import RGB, Labels
from neuraleig.segmentation.images._image_sets import (
    ImageSet,
    as_image_set,
    is_one_image,
)
from neuraleig.segmentation.inference import (
    Lattice,
    labels_from_scores,
    refined_labels,
)
from neuraleig.segmentation.inference._sliding_window import averaged_scores


def _of_clusterer(name: str) -> Any:  # noqa: ANN401
    """Attribute that is one of ``clusterer_``."""
    return property(attrgetter(f"clusterer_.{name}"))


class ImagePredictor(ClusterMixin, ComposedEstimator):
    """Base of the segmenter: predictions, one image at a time."""

    backbone_: Backbone
    clusterer_: NeuralEigenSpectralClustering
    token_mean_: Array
    token_scale_: Array
    image_size: int | str | None
    window_size: int | str | None
    stride: int | None
    scales: Sequence[float]
    flip: bool
    refine: str | None
    refine_radius: float
    feature_cache: str | PathLike[str] | None
    n_clusters_: int
    _groups: IntArray
    _kept: KeptStore = NOTHING

    eigenfunctions_ = _of_clusterer("eigenfunctions_")
    eigenvalues_ = _of_clusterer("eigenvalues_")
    graph_eigenvalues_ = _of_clusterer("graph_eigenvalues_")
    cluster_curve_ = _of_clusterer("cluster_curve_")
    alignment_ = _of_clusterer("alignment_")
    loss_curve_ = _of_clusterer("loss_curve_")
    n_iter_ = _of_clusterer("n_iter_")
    _fit_id = _of_clusterer("_fit_id")

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
            n_clusters) of it; its ``strips()`` need less memory. The largest is the
            label, unless ``refine`` changes it.
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
            At the tokens of every image, the constant function first, float32. An
            array for a single image.
        """
        values = [
            self._averaged(rgb, self._evaluate_windows)[0].cpu().numpy()
            for rgb in self._checked_images(images)
        ]
        return values[0] if is_one_image(images) else values

    def iter_tokens(self, images: Any) -> Iterator[Array]:  # noqa: ANN401
        """Features of the tokens of images, as ``clusterer_`` takes them.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``.

        Returns
        -------
        tokens : iterator of ndarray of shape (n_tokens, n_channels)
            Standardised features of the tokens of every image, row by row, float32;
            their means where windows overlap.

        Examples
        --------
        >>> from sklearn.datasets import load_sample_images
        >>> from neuraleig import DenseSegmenter
        >>> images = load_sample_images().images
        >>> model = DenseSegmenter(4, backbone="color_texture", image_size=80,
        ...                        random_state=0).fit(images)
        >>> model.clusterer_.predict(model.iter_tokens(images)).shape
        (300,)
        """
        return (
            self._averaged(rgb, self._window_tokens)[0].flatten(0, 1).cpu().numpy()
            for rgb in self._checked_images(images)
        )

    def with_windows(
        self, window_size: int | str | None, stride: int | None = None
    ) -> Self:
        """Make a copy that sees images in other windows.

        The backbone sees the tokens of a window together. Protocols of published
        scores have their own windows; ``set_params`` changes them in place.

        Parameters
        ----------
        window_size : int, "auto" or None
            Side of the windows in pixels, as the parameter has it.
        stride : int or None, default=None
            Distance of neighbouring windows; ``None``: two thirds of a window.

        Returns
        -------
        segmenter : DenseSegmenter
            With these parameters. It shares the fitted parts with this one, which
            stays as it is.

        Raises
        ------
        ValueError
            If one is not a positive number of pixels, or the stride is larger than
            the window.
        """
        check_is_fitted(self)
        check_windows(window_size, stride)
        other = copy.copy(self)
        other.set_params(window_size=window_size, stride=stride)
        return other

    def fit_predict(
        self,
        X: Any,  # noqa: ANN401
        y: None = None,
        **fit_params: Any,  # noqa: ANN401
    ) -> Labels | list[Labels]:
        """Fit to images, and label them.

        Parameters
        ----------
        X : image, folder, sequence of images or data set
            Images.
        y : None
            Ignored.
        **fit_params
            Other arguments of ``fit``.

        Returns
        -------
        labels : ndarray of shape (height, width), or list of them
            As from ``predict``.
        """
        self.fit(X, **fit_params)
        return self.predict(X)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Declare that inputs are images, or paths of them."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _check_ready(self) -> None:
        """Refuse to predict before a fit; subclasses check parameters as well."""
        check_is_fitted(self)

    def _checked_images(self, images: Any) -> ImageSet:  # noqa: ANN401
        self._check_ready()
        return as_image_set(images)

    def _view(self) -> Geometry:
        """Sizes at which images are seen now: parameters may differ from the fit's."""
        return self._geometry(self.backbone_)

    def _geometry(self, backbone: Backbone) -> Geometry:
        size = self.image_size
        if isinstance(size, str):
            size = backbone.image_size
        return Geometry(backbone.patch_size, size, self.window_size, self.stride)

    @ordinary_torch()
    def _labels(self, rgb: RGB) -> Labels:
        scores, lattice = self._scores(rgb)
        if self.refine is not None:
            return refined_labels(scores, rgb, lattice, radius=self.refine_radius)
        return labels_from_scores(scores, lattice, rgb.shape[:2])

    def _scores(self, rgb: RGB) -> tuple[Tensor, Lattice]:
        """Scores of clusters on the lattice of an image."""
        scores, lattice = self._averaged(rgb, self._score_windows)
        return merged_scores(scores, self._groups), lattice

    @ordinary_torch()
    def _averaged(self, rgb: RGB, of_windows: Any) -> tuple[Tensor, Lattice]:  # noqa: ANN401
        """Values at the tokens of an image, blended, and where the tokens are."""
        view = self._view()
        lattice = view.lattice(*rgb.shape[:2])
        window = lattice.windows[0]
        values = averaged_scores(
            view.seen(rgb),
            lattice,
            of_windows,
            batch_size=windows_at_a_time(window.height * window.width, self._device),
            scales=self.scales,
            flip=self.flip,
        )
        return values, lattice

    def _window_tokens(self, windows: Tensor) -> Tensor:
        """Standardised features (n, h, w, n_channels) of windows (n, 3, ...)."""
        features = self._tokens()(windows)
        return Units(self.token_mean_, self.token_scale_).standardized(features)

    def _tokens(self) -> WindowTokens:
        """Source of the tokens of windows, with the store that holds now."""
        store = self._store_of(self.backbone_, self._device)
        return WindowTokens(self.backbone_, self._device, store)

    def _store_of(self, backbone: Backbone, device: torch.device) -> NoCache:
        """Store of features: that of the fit, or the one that was asked for since.

        A folder of the user's is not made, and a segmenter from a file has no temporary
        one.
        """
        asked, key = self.feature_cache, tokens_key(backbone, device)
        if (self._kept.asked, self._kept.key) != (asked, key):
            is_missing = asked not in (None, SHARED) and not Path(str(asked)).is_dir()
            if asked == TEMPORARY or is_missing:
                return NoCache()
            self._kept = KeptStore.of(asked, key)
        return self._kept.store

    def _score_windows(self, windows: Tensor) -> Tensor:
        """Scores (n, h, w, n_clusters) of windows, before any union."""
        tokens = self._window_tokens(windows)
        return self._cluster_scores(tokens).reshape(*tokens.shape[:3], -1)

    def _evaluate_windows(self, windows: Tensor) -> Tensor:
        """Eigenfunctions (n, h, w, n_components) of windows."""
        tokens = self._window_tokens(windows)
        functions: Tensor = self.eigenfunctions_(self._inputs(tokens))[0]
        return functions.reshape(*tokens.shape[:3], -1)

    def _cluster_scores(self, tokens: Tensor) -> Tensor:
        """Scores of standardised tokens (n, h, w, n_channels), one row per token."""
        reader, inputs = self.clusterer_._discretizer, self._inputs(tokens)
        if isinstance(reader, Argmax):
            logits: Tensor = self.eigenfunctions_.network.scores(inputs)
            return logits[:, reader.clusters.to(logits.device)]
        functions, logits = self.eigenfunctions_(inputs)
        probabilities: Tensor = reader(functions.cpu(), logits.cpu())
        # Probabilities that are 0 have no logarithm.
        least = torch.finfo(torch.float32).tiny
        return probabilities.clamp_min(least).log().float().to(logits.device)

    def _inputs(self, tokens: Tensor) -> Tensor:
        """Inputs of the network: rows, or windows for one that sees them whole."""
        rows: Tensor = self.eigenfunctions_.standardize(tokens.flatten(0, 2))
        if sees_windows(self.clusterer_):
            return padded_inputs(list(rows.reshape(tokens.shape)))
        return rows

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self.eigenfunctions_.parameters()).device
        return device
