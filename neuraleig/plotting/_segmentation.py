"""Display of the segments of an image."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from neuraleig._typing import FloatArray
from neuraleig._words import share_text
from neuraleig.plotting._counts import count_labels
from neuraleig.plotting._fitted import final_step, n_clusters_of
from neuraleig.plotting._matplotlib import (
    legend_beside,
    require_matplotlib,
    resolve_axes,
    swatches,
)
from neuraleig.plotting._palette import StyleOption
from neuraleig.segmentation.images import read_image, read_mask
from neuraleig.segmentation.images._image_arrays import RGB, Labels
from neuraleig.segmentation.images._image_files import ImageLike
from neuraleig.segmentation.outputs import overlay
from neuraleig.segmentation.outputs._names import ClusterNames, names_of_clusters
from neuraleig.segmentation.outputs._palette import Palette, resolve_colors

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, AxesImage, Legend

# Of more clusters in an image, the largest have an entry of the legend each.
MAX_ENTRIES = 18
# Pixels of the longer side that are drawn; more than a screen or a page shows would
# cost memory alone.
MAX_SIDE = 2_048
# Inches of a new figure, and of a legend beside the image.
HEIGHT, LEGEND_WIDTH = 4.2, 1.8


class SegmentationDisplay:
    """An image under the colours of its segments.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    image : uint8 ndarray of shape (height, width, 3)
        Image.
    labels : integer ndarray of shape (height, width)
        Cluster of every pixel.
    colors : uint8 ndarray of shape (n_clusters, 3)
        Colour of every cluster.
    cluster_names : list of str or None, default=None
        Name of every cluster, empty where it has none.

    Attributes
    ----------
    image_ : AxesImage
        What is drawn, on axes that count pixels.
    shares_ : ndarray of shape (n_clusters,)
        Share of the pixels that each cluster has.
    legend_ : Legend or None
        Clusters of the image with their names and shares, the largest first.
    ax_ : Axes
        Where it is drawn.
    figure_ : Figure
        Figure of ``ax_``.

    See Also
    --------
    ClusterSizesDisplay : The shares of clusters of many images.
    neuraleig.segmentation.overlay : The same as an array.

    Notes
    -----
    Of an image of more than 2,048 pixels on a side, every second, third, ... row and
    column is drawn; the shares are those of all pixels.

    For axes of your own, ``layout="compressed"`` of their figure leaves room for the
    legend.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.plotting import SegmentationDisplay
    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> labels = np.repeat([0, 2], [15, 45])[None].repeat(40, axis=0)
    >>> display = SegmentationDisplay.from_predictions(
    ...     image, labels, cluster_names={2: "sky"}
    ... )
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['2 sky: 75.0 %', '0: 25.0 %']
    >>> display.figure_.savefig("segments.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        image: RGB,
        labels: Labels,
        *,
        colors: Palette,
        cluster_names: list[str] | None = None,
    ) -> None:
        self.image = image
        self.labels = labels
        self.colors = colors
        self.cluster_names = cluster_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401 - duck-typed
        image: ImageLike,
        *,
        colors: Palette | None = None,
        opacity: float = 0.5,
        outline: bool = True,
        legend: bool = True,
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw an image under the segments that a fitted segmenter finds in it.

        Parameters
        ----------
        estimator : estimator
            A fitted ``DenseSegmenter``, or a pipeline that ends in one.
        image : path, PIL image, ndarray or Tensor
            One image, as for ``DenseSegmenter.predict``.
        colors : uint8 ndarray of shape (n_clusters, 3) or None, default=None
            Colour per cluster. ``None``: those of
            :func:`neuraleig.segmentation.label_colors`.
        opacity : float, default=0.5
            Between 0, the image, and 1, the colours.
        outline : bool, default=True
            Whether the borders between segments are drawn in full colour.
        legend : bool, default=True
            Whether to name the clusters, with their shares of the image.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        display : SegmentationDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the image cannot be read, or an option is out of range.

        Examples
        --------
        >>> from sklearn.datasets import load_sample_images
        >>> from neuraleig import DenseSegmenter
        >>> from neuraleig.plotting import SegmentationDisplay
        >>> images = load_sample_images().images
        >>> model = DenseSegmenter(
        ...     4, backbone="color_texture", hidden_size=64, n_heads=1, image_size=160,
        ...     random_state=0,
        ... ).fit(images)
        >>> display = SegmentationDisplay.from_estimator(model, images[0])
        >>> display.labels.shape
        (427, 640)
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        _check_opacity(opacity)
        step = final_step(estimator)
        check_is_fitted(step)
        rgb = read_image(image)
        return cls.from_predictions(
            rgb,
            estimator.predict(rgb),
            n_clusters=n_clusters_of(step),
            cluster_names=getattr(step, "cluster_names_", None),
            colors=colors,
            opacity=opacity,
            outline=outline,
            legend=legend,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        image: ImageLike,
        labels: ImageLike | ArrayLike,
        *,
        n_clusters: int | None = None,
        cluster_names: ClusterNames | None = None,
        colors: Palette | None = None,
        opacity: float = 0.5,
        outline: bool = True,
        legend: bool = True,
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw an image under given labels.

        Parameters
        ----------
        image : path, PIL image, ndarray or Tensor
            One image.
        labels : path, or array-like of int of shape (height, width)
            Cluster of every pixel, from 0 on.
        n_clusters : int or None, default=None
            Number of clusters. ``None``: as many as there are colours, or up to the
            largest label.
        cluster_names : mapping of int to str, sequence of str, or None, default=None
            Names of clusters; a mapping may leave some out.
        colors, opacity, outline, legend
            As for :meth:`from_estimator`.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        display : SegmentationDisplay
            Drawn.

        Raises
        ------
        ValueError
            If image and labels do not have the same size, a label is negative or none
            of ``n_clusters``, a name is one of no cluster, or an option is out of
            range.

        Examples
        --------
        >>> import numpy as np
        >>> from neuraleig.plotting import SegmentationDisplay
        >>> image = np.zeros((2, 2, 3), np.uint8)
        >>> display = SegmentationDisplay.from_predictions(image, [[0, 1], [1, 1]])
        >>> display.shares_.tolist()
        [0.25, 0.75]
        """
        require_matplotlib(f"{cls.__name__}.from_predictions")
        _check_opacity(opacity)
        rgb = read_image(image)
        is_nested = isinstance(labels, list | tuple)
        source: Any = np.asarray(labels) if is_nested else labels
        mask = read_mask(source)
        if mask.shape != rgb.shape[:2]:
            raise ValueError(
                f"labels have shape {mask.shape}, but the image has {rgb.shape[:2]}; "
                "there must be one label per pixel."
            )
        if n_clusters is None and colors is not None:
            n_clusters = len(colors)
        n_clusters = count_labels([mask], n_clusters).size
        names = None
        if cluster_names is not None:
            names = names_of_clusters(cluster_names, n_clusters)
        display = cls(
            rgb, mask, colors=resolve_colors(colors, n_clusters), cluster_names=names
        )
        return display.plot(
            ax, opacity=opacity, outline=outline, legend=legend, **kwargs
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        opacity: float = 0.5,
        outline: bool = True,
        legend: bool = True,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw the image.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        opacity : float, default=0.5
            Between 0, the image, and 1, the colours.
        outline : bool, default=True
            Whether the borders between segments are drawn in full colour.
        legend : bool, default=True
            Whether to name the clusters, with their shares of the image.
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        display : SegmentationDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If ``opacity`` is not between 0 and 1.
        """
        _check_opacity(opacity)
        height, width = self.labels.shape
        size = _figure_size(width / height, legend)
        caller = "SegmentationDisplay.plot"
        ax = resolve_axes(ax, caller, size, keeps_aspect=True)
        every = -(-max(height, width) // MAX_SIDE)
        drawn = overlay(
            np.ascontiguousarray(self.image[::every, ::every]),
            self.labels[::every, ::every],
            self.colors,
            opacity,
            outline,
        )
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        self.image_: AxesImage = ax.imshow(drawn, **{"extent": extent, **kwargs})
        counts = np.bincount(self.labels.ravel(), minlength=len(self.colors))
        self.shares_: FloatArray = counts / counts.sum()
        self.legend_: Legend | None = self._explain(ax) if legend else None
        ax.set_axis_off()
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _explain(self, ax: Axes) -> Legend:
        """Name the clusters of the image, the largest first."""
        names = self.cluster_names or [""] * len(self.colors)
        order = np.argsort(-self.shares_, kind="stable")
        found = order[self.shares_[order] > 0]
        shown, rest = found[:MAX_ENTRIES], found[MAX_ENTRIES:]
        words = [
            f"{f'{c} {names[c]}'.rstrip()}: {share_text(self.shares_[c])}"
            for c in shown
        ]
        colors: list[Any] = [tuple(self.colors[c] / 255) for c in shown]
        if rest.size:
            words.append(f"{rest.size} more: {share_text(self.shares_[rest].sum())}")
            colors.append("none")
        return legend_beside(ax, swatches(colors, words), "Cluster", MAX_ENTRIES + 1)


def _figure_size(aspect: float, has_legend: bool) -> tuple[float, float]:
    """Inches of a figure for an image of some width by height."""
    width = min(max(HEIGHT * aspect, HEIGHT / 2), 2 * HEIGHT)
    return width + LEGEND_WIDTH * has_legend, HEIGHT


def _check_opacity(opacity: float) -> None:
    if not isinstance(opacity, Real) or not 0 <= opacity <= 1:
        raise ValueError(f"opacity={opacity!r} must be a number from 0 to 1.")
