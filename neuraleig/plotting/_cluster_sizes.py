"""Display of cluster sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._rows import is_stream
from neuraleig._typing import IntArray
from neuraleig._words import share_text
from neuraleig.plotting._base import Display
from neuraleig.plotting._checks import check_choice, count_labels
from neuraleig.plotting._fitted import final_step, labels_of, n_clusters_of
from neuraleig.plotting._matplotlib import merged_style
from neuraleig.plotting._palette import ACCENT, StyleOption, colors_of
from neuraleig.segmentation.outputs._names import ClusterNames, names_of_clusters

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, BarContainer, Text

Orientation: TypeAlias = Literal["auto", "vertical", "horizontal"]
ORIENTATIONS = ("auto", "vertical", "horizontal")
# Most vertical bars, and most letters above them in one line.
MAX_VERTICAL, MAX_LETTERS = 12, 60
# Most bars with a label and a size each; of more bars, every second, third, ... has a
# label.
MAX_LABELLED = 50
# Inches per horizontal bar, around all bars, and of a figure at least.
BAR_HEIGHT, FRAME_HEIGHT, LEAST_HEIGHT = 0.24, 1.0, 4.8


@dataclass(eq=False, repr=False)
class ClusterSizesDisplay(Display):
    """Number of rows or pixels of each cluster as a bar chart.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    counts : ndarray of shape (n_clusters,)
        Number of rows or pixels of each cluster, 0 for an empty one.
    cluster_names : list of str or None, default=None
        Name of each cluster; an empty string where it has none.

    Attributes
    ----------
    bars_ : BarContainer
        One bar per cluster, from left to right or from top to bottom.
    order_ : ndarray of shape (n_clusters,)
        Cluster of each bar.
    texts_ : list of Text
        Size at each bar; empty for more than 50 clusters.
    ax_ : Axes
        Axes of the plot.
    figure_ : Figure
        Figure of the axes.

    See Also
    --------
    SegmentationDisplay : Clusters of the pixels of an image.

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

    counts: IntArray
    _: KW_ONLY
    cluster_names: list[str] | None = None
    bars_: BarContainer = field(init=False)
    order_: IntArray = field(init=False)
    texts_: list[Text] = field(init=False)

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
        """Plot the cluster sizes of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted ``NeuralEigenSpectralClustering``, ``DenseSegmenter`` or other
            clustering with labels from 0 on, or a pipeline that ends in one.
        X : array-like, images or None, default=None
            Rows, or images that are labelled one by one. ``None``: the training rows,
            from ``labels_``, which a ``DenseSegmenter`` does not have.
        normalize, sort, orientation, ax, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : ClusterSizesDisplay
            Display that was drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator does not predict, or if ``X`` is None and it has no
            ``labels_``.
        ValueError
            If a label is negative, as for outliers.

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
        cls._require_matplotlib("from_estimator")
        check_choice("orientation", orientation, ORIENTATIONS)
        step = final_step(estimator)
        return cls.from_predictions(
            labels_of(estimator, X),
            n_clusters=n_clusters_of(step),
            cluster_names=getattr(step, "cluster_names_", None),
            normalize=normalize,
            sort=sort,
            orientation=orientation,
            ax=ax,
            **kwargs,
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
        """Plot the cluster sizes of given labels.

        Parameters
        ----------
        labels : array-like of int, of any shape, or iterable of such arrays
            Labels from 0 on, of rows or of the pixels of one or more images. An
            iterator is read image by image.
        n_clusters : int or None, default=None
            Number of clusters, empty ones included. ``None``: the largest label
            plus 1.
        cluster_names : mapping of int to str, sequence of str, or None, default=None
            Names of clusters; a mapping may leave some out.
        normalize, sort, orientation, ax, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : ClusterSizesDisplay
            Display that was drawn.

        Raises
        ------
        ValueError
            If a label is not an integer from 0 to ``n_clusters - 1``, if there are no
            labels, or if a name is for an unknown cluster.

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
        cls._require_matplotlib("from_predictions")
        counts = count_labels(_parts(labels), n_clusters)
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
        """Plot the bars.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes to draw on. ``None``: those of a new figure, high enough for all bars.
        normalize : bool, default=False
            Whether to plot shares in per cent instead of counts.
        sort : bool, default=False
            Whether to begin with the largest cluster.
        orientation : {"auto", "vertical", "horizontal"}, default="auto"
            Direction of the bars. ``"auto"``: horizontal for more than 12 clusters,
            for clusters with names and for long numbers.
        **kwargs : dict
            Keywords of ``Axes.bar`` or ``Axes.barh``.

        Returns
        -------
        display : ClusterSizesDisplay
            This display.

        Raises
        ------
        ValueError
            If ``orientation`` is none of the choices.
        """
        check_choice("orientation", orientation, ORIENTATIONS)
        words = self._words(normalize)
        is_crowded = max(map(len, words)) * len(words) > MAX_LETTERS
        is_flat = orientation == "horizontal"
        if orientation == "auto":
            is_named = any(self.cluster_names or ())
            is_flat = len(words) > MAX_VERTICAL or is_crowded or is_named
        size = (6.4, max(LEAST_HEIGHT, height_of_bars(len(words))))
        ax = self._begin(ax, size if is_flat else None)
        self.order_ = np.arange(self.counts.size)
        if sort:
            self.order_ = np.argsort(-self.counts, kind="stable")
        sizes = self.counts[self.order_]
        values = 100 * sizes / sizes.sum() if normalize else sizes
        colors = colors_of(sizes.size)
        default = {"color": [colors[cluster] for cluster in self.order_]}
        style = merged_style("Patch", default, kwargs)
        draw = ax.barh if is_flat else ax.bar
        self.bars_ = draw(np.arange(sizes.size), values, **style)
        self.texts_ = []
        if sizes.size <= MAX_LABELLED:
            turned = 90.0 if is_crowded and not is_flat else 0.0
            self._write_sizes(ax, [words[c] for c in self.order_], turned)
        self._name_axes(ax, is_flat, normalize)
        return self

    def _words(self, normalize: bool) -> list[str]:
        """Return the size of each cluster as text."""
        if normalize:
            return [share_text(share) for share in self.counts / self.counts.sum()]
        return [f"{count:,}" for count in self.counts]

    def _write_sizes(self, ax: Axes, words: list[str], rotation: float) -> None:
        """Write the size at each bar, in another colour for empty clusters."""
        self.texts_ = list(
            ax.bar_label(
                self.bars_, words, padding=3, fontsize="small", rotation=rotation
            )
        )
        for text, cluster in zip(self.texts_, self.order_, strict=True):
            if self.counts[cluster] == 0:
                text.set_color(ACCENT)
        # Room for the text beyond the longest bar.
        if self.bars_.orientation == "horizontal":
            ax.margins(x=0.14)
        else:
            ax.margins(y=0.25 if rotation else 0.12)

    def _name_axes(self, ax: Axes, is_flat: bool, normalize: bool) -> None:
        names = self.cluster_names or [""] * self.counts.size
        shown = np.arange(0, self.counts.size, -(-self.counts.size // MAX_LABELLED))
        ticks = [f"{c} {names[c]}".rstrip() for c in self.order_[shown]]
        n_empty = int(np.sum(self.counts == 0))
        empty = f" ({n_empty} of {self.counts.size} empty)" if n_empty else ""
        clusters = f"Cluster{empty}"
        sizes = "Share of all (%)" if normalize else "Size"
        if is_flat:
            ax.set_yticks(shown, ticks)
            # The first bar is at the top; the margins are as wide as a bar.
            ax.set_ylim(self.counts.size - 0.25, -0.75)
            ax.set(xlabel=sizes, ylabel=clusters)
        else:
            is_named = any(map(str.strip, names))
            ax.set_xticks(shown, ticks, rotation=90.0 if is_named else 0.0)
            ax.set(xlabel=clusters, ylabel=sizes)
        if not normalize:
            (ax.xaxis if is_flat else ax.yaxis).set_major_formatter("{x:,.10g}")


def height_of_bars(n_bars: int) -> float:
    """Return the height in inches of a figure of horizontal bars."""
    return FRAME_HEIGHT + BAR_HEIGHT * min(n_bars, MAX_LABELLED)


def _parts(labels: Any) -> Iterable[ArrayLike]:  # noqa: ANN401 - arrays, or several
    """Return the arrays of one or more images."""
    is_list = isinstance(labels, list | tuple) and len(labels) > 0
    is_several = is_stream(labels) or (is_list and np.ndim(labels[0]) > 0)
    parts: Iterable[ArrayLike] = labels if is_several else [labels]
    return parts
