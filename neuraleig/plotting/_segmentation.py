"""Display of the clusters of an image."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from neuraleig._typing import FloatArray
from neuraleig._words import share_text
from neuraleig.plotting._base import Display
from neuraleig.plotting._checks import count_labels
from neuraleig.plotting._fitted import final_step, n_clusters_of
from neuraleig.plotting._matplotlib import legend_beside, swatches
from neuraleig.plotting._palette import StyleOption
from neuraleig.segmentation.images import read_image, read_mask
from neuraleig.segmentation.images._image_arrays import RGB, Labels, check_one_per_pixel
from neuraleig.segmentation.images._image_files import ImageLike
from neuraleig.segmentation.outputs import overlay
from neuraleig.segmentation.outputs._names import ClusterNames, names_of_clusters
from neuraleig.segmentation.outputs._palette import Palette, resolve_colors

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, AxesImage, Legend

# Most clusters with an entry of the legend; smaller ones share the last entry.
MAX_ENTRIES = 18
# Most pixels drawn per side, above the resolution of screens and pages.
MAX_SIDE = 2_048
# Inches: height of a new figure, and width of a legend beside the image.
HEIGHT, LEGEND_WIDTH = 4.2, 1.8


@dataclass(eq=False, repr=False)
class SegmentationDisplay(Display):
    """Image under the colours of its clusters.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    image : uint8 ndarray of shape (height, width, 3)
        Image in RGB.
    labels : int ndarray of shape (height, width)
        Cluster of each pixel.
    colors : uint8 ndarray of shape (n_clusters, 3)
        Colour of each cluster in RGB.
    cluster_names : list of str or None, default=None
        Name of each cluster; an empty string where it has none.

    Attributes
    ----------
    image_ : AxesImage
        Coloured image; the axes count pixels.
    shares_ : ndarray of shape (n_clusters,)
        Share of the pixels in each cluster, between 0 and 1.
    legend_ : Legend or None
        Clusters of the image with names and shares, the largest first.
    ax_ : Axes
        Axes of the plot.
    figure_ : Figure
        Figure of the axes.

    See Also
    --------
    ClusterSizesDisplay : Sizes of the clusters of many images.
    neuraleig.segmentation.overlay : The coloured image as an array.

    Notes
    -----
    Of an image with more than 2,048 pixels per side, every second, third, ... row and
    column is drawn. Shares are computed from all pixels.

    For axes of your own, create the figure with ``layout="compressed"``, which leaves
    room for the legend.

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
    >>> display.figure_.savefig("clusters.png")  # doctest: +SKIP
    """

    image: RGB
    labels: Labels
    _: KW_ONLY
    colors: Palette
    cluster_names: list[str] | None = None
    image_: AxesImage = field(init=False)
    shares_: FloatArray = field(init=False)
    legend_: Legend | None = field(init=False, default=None)

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
        """Plot an image under the clusters that a fitted segmenter predicts.

        Parameters
        ----------
        estimator : estimator
            Fitted ``DenseSegmenter``, or a pipeline that ends in one.
        image : path, PIL image, ndarray or Tensor
            One image, as for ``DenseSegmenter.predict``.
        colors : uint8 ndarray of shape (n_clusters, 3) or None, default=None
            Colour of each cluster. ``None``: from
            :func:`neuraleig.segmentation.label_colors`.
        opacity, outline, legend, ax, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : SegmentationDisplay
            Display that was drawn.

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
        ...     4, backbone="color_texture", image_size=160, random_state=0
        ... ).fit(images)
        >>> display = SegmentationDisplay.from_estimator(model, images[0])
        >>> display.labels.shape
        (427, 640)
        """
        cls._require_matplotlib("from_estimator")
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
        """Plot an image under given labels.

        Parameters
        ----------
        image : path, PIL image, ndarray or Tensor
            One image.
        labels : path, or array-like of int of shape (height, width)
            Cluster of each pixel, from 0 on.
        n_clusters : int or None, default=None
            Number of clusters. ``None``: the number of ``colors``, or the largest
            label plus 1.
        cluster_names : mapping of int to str, sequence of str, or None, default=None
            Names of clusters; a mapping may leave some out.
        colors : uint8 ndarray of shape (n_clusters, 3) or None, default=None
            Colour of each cluster. ``None``: from
            :func:`neuraleig.segmentation.label_colors`.
        opacity, outline, legend, ax, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : SegmentationDisplay
            Display that was drawn.

        Raises
        ------
        ValueError
            If image and labels differ in size, a label is not in 0 to
            ``n_clusters - 1``, a name is for an unknown cluster, or an option is out
            of range.

        Examples
        --------
        >>> import numpy as np
        >>> from neuraleig.plotting import SegmentationDisplay
        >>> image = np.zeros((2, 2, 3), np.uint8)
        >>> display = SegmentationDisplay.from_predictions(image, [[0, 1], [1, 1]])
        >>> display.shares_.tolist()
        [0.25, 0.75]
        """
        cls._require_matplotlib("from_predictions")
        rgb = read_image(image)
        nested: Any = labels
        mask = read_mask(
            np.asarray(nested) if isinstance(nested, list | tuple) else nested
        )
        check_one_per_pixel(mask, rgb)
        if n_clusters is None and colors is not None:
            n_clusters = len(colors)
        n_clusters = count_labels([mask], n_clusters).size
        display = cls(
            rgb,
            mask,
            colors=resolve_colors(colors, n_clusters),
            cluster_names=names_of_clusters(cluster_names, n_clusters),
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
        """Plot the coloured image.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes to draw on. ``None``: those of a new figure.
        opacity : float, default=0.5
            Opacity of the colours, from 0 (the image) to 1 (the colours).
        outline : bool, default=True
            Whether to draw the borders between clusters in full colour.
        legend : bool, default=True
            Whether to list the clusters with their names and shares.
        **kwargs : dict
            Keywords of ``Axes.imshow``.

        Returns
        -------
        display : SegmentationDisplay
            This display.

        Raises
        ------
        ValueError
            If ``opacity`` is not between 0 and 1.
        """
        _check_opacity(opacity)
        height, width = self.labels.shape
        shown_width = min(max(HEIGHT * width / height, HEIGHT / 2), 2 * HEIGHT)
        size = (shown_width + LEGEND_WIDTH * legend, HEIGHT)
        ax = self._begin(ax, size, "compressed")
        every = -(-max(height, width) // MAX_SIDE)
        drawn = overlay(
            np.ascontiguousarray(self.image[::every, ::every]),
            self.labels[::every, ::every],
            self.colors,
            opacity,
            outline,
        )
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        self.image_ = ax.imshow(drawn, **{"extent": extent, **kwargs})
        counts = np.bincount(self.labels.ravel(), minlength=len(self.colors))
        self.shares_ = counts / counts.sum()
        if legend:
            self.legend_ = self._list_clusters(ax)
        ax.set_axis_off()
        return self

    def _list_clusters(self, ax: Axes) -> Legend:
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


def _check_opacity(opacity: float) -> None:
    if not isinstance(opacity, Real) or not 0 <= opacity <= 1:
        raise ValueError(f"opacity={opacity!r} must be a number from 0 to 1.")
