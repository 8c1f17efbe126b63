"""Display of the sizes of clusters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._rows import is_stream
from neuraleig._typing import IntArray
from neuraleig._words import share_text
from neuraleig.plotting._checks import check_choice
from neuraleig.plotting._counts import count_labels
from neuraleig.plotting._fitted import final_step, label_parts, n_clusters_of
from neuraleig.plotting._matplotlib import (
    merged_style,
    require_matplotlib,
    resolve_axes,
)
from neuraleig.plotting._palette import ACCENT, StyleOption, colors_of
from neuraleig.segmentation.outputs._names import ClusterNames, names_of_clusters

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, BarContainer, Text

Orientation: TypeAlias = Literal["auto", "vertical", "horizontal"]
# Bars that stand side by side, and letters that fit above all of them in one line.
MAX_VERTICAL, MAX_LETTERS = 12, 60
# Bars that have a label and a size each in the highest figure; of more, every second,
# third, ... has a label.
MAX_LABELLED = 50
# Inches of a bar and of what is around all, and the height of a figure at least.
BAR_HEIGHT, FRAME_HEIGHT, LEAST_HEIGHT = 0.24, 1.0, 4.8


class ClusterSizesDisplay:
    """Bars of the numbers of rows, or of pixels, that each cluster has.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    counts : ndarray of shape (n_clusters,)
        Rows or pixels of every cluster; 0 for those that are empty.
    cluster_names : list of str or None, default=None
        Name of every cluster, empty where it has none.

    Attributes
    ----------
    bars_ : BarContainer
        One bar per cluster, the first at the left or at the top.
    order_ : ndarray of shape (n_clusters,)
        Clusters in the order of the bars.
    texts_ : list of Text
        Size of every bar; empty beyond 50 clusters.
    ax_ : Axes
        Where they are drawn.
    figure_ : Figure
        Figure of ``ax_``.

    See Also
    --------
    SegmentationDisplay : Where the clusters of an image are.

    Examples
    --------
    >>> from neuraleig.plotting import ClusterSizesDisplay
    >>> display = ClusterSizesDisplay.from_predictions([0, 0, 2, 0], n_clusters=4)
    >>> display.counts.tolist()
    [3, 0, 1, 0]
    >>> display.ax_.get_xlabel()
    'Cluster (2 of 4 empty)'
    >>> display.figure_.savefig("sizes.png")  # doctest: +SKIP
    """

    def __init__(
        self, counts: IntArray, *, cluster_names: list[str] | None = None
    ) -> None:
        self.counts = counts
        self.cluster_names = cluster_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401 - duck-typed
        X: Any = None,  # noqa: ANN401 - rows or images
        *,
        normalize: bool = False,
        sort: bool = False,
        orientation: Orientation = "auto",
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw the sizes of the clusters of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted ``NeuralEigenSpectralClustering`` or ``DenseSegmenter``, any other
            clustering that predicts integers from 0 on, or a pipeline that ends in one.
        X : array-like, images or None, default=None
            Rows or images that are labelled, part by part. ``None``: the training rows,
            by ``labels_``; a ``DenseSegmenter`` keeps none.
        normalize : bool, default=False
            Whether to draw shares instead of counts.
        sort : bool, default=False
            Whether the largest cluster comes first.
        orientation : {"auto", "vertical", "horizontal"}, default="auto"
            Of the bars. ``"auto"``: horizontal beyond 12 clusters or with names.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        **kwargs : dict
            Passed to ``Axes.bar`` or ``Axes.barh``.

        Returns
        -------
        display : ClusterSizesDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator does not predict, or ``X`` is None and it has no
            ``labels_``.
        ValueError
            If the labels are no clusters: negative, as of outliers.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> from neuraleig.plotting import ClusterSizesDisplay
        >>> X, _ = make_blobs(200, random_state=0, cluster_std=0.5)
        >>> model = NeuralEigenSpectralClustering(3, random_state=0).fit(X)
        >>> int(ClusterSizesDisplay.from_estimator(model).counts.sum())
        200
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        _check_options(orientation)
        step = final_step(estimator)
        counts = count_labels(label_parts(estimator, X))
        n_clusters = max(n_clusters_of(step) or 0, counts.size)
        counts = np.pad(counts, (0, n_clusters - counts.size))
        names = getattr(step, "cluster_names_", None)
        display = cls(
            counts,
            cluster_names=None
            if names is None
            else names_of_clusters(names, len(counts)),
        )
        return display.plot(
            ax, normalize=normalize, sort=sort, orientation=orientation, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        labels: ArrayLike | Iterable[ArrayLike],
        *,
        n_clusters: int | None = None,
        cluster_names: ClusterNames | None = None,
        normalize: bool = False,
        sort: bool = False,
        orientation: Orientation = "auto",
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw the sizes of the clusters of given labels.

        Parameters
        ----------
        labels : array-like of int, of any shape, or iterable of such arrays
            From 0 on: of rows, of the pixels of an image, or of several images, which
            an iterator gives one by one.
        n_clusters : int or None, default=None
            Number of clusters, of which some may be empty. ``None``: up to the largest
            label.
        cluster_names : mapping of int to str, sequence of str, or None, default=None
            Names of clusters; a mapping may leave some out.
        normalize, sort, orientation
            As for :meth:`from_estimator`.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        **kwargs : dict
            Passed to ``Axes.bar`` or ``Axes.barh``.

        Returns
        -------
        display : ClusterSizesDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the labels are no integers from 0 to ``n_clusters - 1``, if there are
            none, or if a name is one of no cluster.

        Examples
        --------
        >>> import numpy as np
        >>> from neuraleig.plotting import ClusterSizesDisplay
        >>> images = [np.array([[0, 1], [1, 1]]), np.array([[1, 1]])]
        >>> display = ClusterSizesDisplay.from_predictions(
        ...     images, cluster_names={1: "road"}, normalize=True
        ... )
        >>> [text.get_text() for text in display.ax_.get_yticklabels()]
        ['0', '1 road']
        """
        require_matplotlib(f"{cls.__name__}.from_predictions")
        counts = count_labels(_parts(labels), n_clusters)
        names = None
        if cluster_names is not None:
            names = names_of_clusters(cluster_names, counts.size)
        return cls(counts, cluster_names=names).plot(
            ax, normalize=normalize, sort=sort, orientation=orientation, **kwargs
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        normalize: bool = False,
        sort: bool = False,
        orientation: Orientation = "auto",
        **kwargs: StyleOption,
    ) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure, high enough for all bars.
        normalize : bool, default=False
            Whether to draw shares instead of counts.
        sort : bool, default=False
            Whether the largest cluster comes first.
        orientation : {"auto", "vertical", "horizontal"}, default="auto"
            Of the bars. ``"auto"``: horizontal beyond 12 clusters or with names.
        **kwargs : dict
            Passed to ``Axes.bar`` or ``Axes.barh``.

        Returns
        -------
        display : ClusterSizesDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If ``orientation`` is none of the words.
        """
        _check_options(orientation)
        words = self._words(normalize)
        is_crowded = max(map(len, words)) * len(words) > MAX_LETTERS
        is_flat = orientation == "horizontal"
        if orientation == "auto":
            is_named = any(self.cluster_names or ())
            is_flat = len(words) > MAX_VERTICAL or is_crowded or is_named
        ax = resolve_axes(ax, "ClusterSizesDisplay.plot", self._size(is_flat))
        self.order_ = np.arange(self.counts.size)
        if sort:
            # Equal sizes stay in the order of their numbers.
            self.order_ = np.argsort(-self.counts, kind="stable")
        sizes = self.counts[self.order_]
        values = 100 * sizes / sizes.sum() if normalize else sizes
        colors = colors_of(sizes.size)
        default = {"color": [colors[cluster] for cluster in self.order_]}
        style = merged_style("Patch", default, kwargs)
        draw = ax.barh if is_flat else ax.bar
        self.bars_: BarContainer = draw(np.arange(sizes.size), values, **style)
        self.texts_: list[Text] = []
        if sizes.size <= MAX_LABELLED:
            turned = 90.0 if is_crowded and not is_flat else 0.0
            self._write_sizes(ax, [words[c] for c in self.order_], turned)
        self._name_axes(ax, is_flat, normalize)
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _size(self, is_flat: bool) -> tuple[float, float] | None:
        """Width and height of a new figure."""
        if not is_flat:
            return None
        height = height_of_bars(self.counts.size)
        return 6.4, max(LEAST_HEIGHT, height)

    def _words(self, normalize: bool) -> list[str]:
        """Size of every cluster in words."""
        if normalize:
            return [share_text(share) for share in self.counts / self.counts.sum()]
        return [f"{count:,}" for count in self.counts]

    def _write_sizes(self, ax: Axes, words: list[str], rotation: float) -> None:
        """Write its size beside every bar, in another colour where that is none."""
        self.texts_ = list(
            ax.bar_label(
                self.bars_, words, padding=3, fontsize="small", rotation=rotation
            )
        )
        for text, cluster in zip(self.texts_, self.order_, strict=True):
            if self.counts[cluster] == 0:
                text.set_color(ACCENT)
        # The sizes need some paper beyond the bars.
        if self.bars_.orientation == "horizontal":
            ax.margins(x=0.14)
        else:
            ax.margins(y=0.25 if rotation else 0.12)

    def _name_axes(self, ax: Axes, is_flat: bool, normalize: bool) -> None:
        """Say which cluster each bar is, and what its length means."""
        names = self.cluster_names or [""] * self.counts.size
        every = -(-self.counts.size // MAX_LABELLED)
        shown = np.arange(0, self.counts.size, every)
        ticks = [f"{c} {names[c]}".rstrip() for c in self.order_[shown]]
        n_empty = int(np.sum(self.counts == 0))
        of_clusters = "Cluster"
        if n_empty:
            of_clusters += f" ({n_empty} of {self.counts.size} empty)"
        of_sizes = "Share of all (%)" if normalize else "Size"
        if is_flat:
            ax.set_yticks(shown, ticks)
            # The first at the top, and no more paper around many bars than a bar.
            ax.set_ylim(self.counts.size - 0.25, -0.75)
            ax.set(xlabel=of_sizes, ylabel=of_clusters)
        else:
            is_named = any(map(str.strip, names))
            ax.set_xticks(shown, ticks, rotation=90.0 if is_named else 0.0)
            ax.set(xlabel=of_clusters, ylabel=of_sizes)


def height_of_bars(n_bars: int) -> float:
    """Inches of a figure of bars one above the other."""
    return FRAME_HEIGHT + BAR_HEIGHT * min(n_bars, MAX_LABELLED)


def _parts(labels: Any) -> Iterable[ArrayLike]:  # noqa: ANN401 - arrays, or several
    """Labels of one array, or of several images."""
    if is_stream(labels):
        parts: Iterable[ArrayLike] = labels
        return parts
    is_list = isinstance(labels, list | tuple)
    return labels if is_list and labels and np.ndim(labels[0]) > 0 else [labels]


def _check_options(orientation: str) -> None:
    check_choice("orientation", orientation, ("auto", "vertical", "horizontal"))
