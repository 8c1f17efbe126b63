"""Display of rows in a layout of all eigenfunctions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from neuraleig._random import RandomState
from neuraleig._typing import FloatArray, IntArray
from neuraleig.plotting._base import Display
from neuraleig.plotting._checks import (
    check_finite,
    check_labels,
    check_lengths,
    check_subsample,
    drawn_rows,
)
from neuraleig.plotting._fitted import final_step
from neuraleig.plotting._groups import SUBSAMPLE, draw_groups
from neuraleig.plotting._layout import Layout, laid_out
from neuraleig.plotting._matplotlib import check_one_style, label_at
from neuraleig.plotting._palette import StyleOption
from neuraleig.plotting._plane import evaluated_rows

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend, PathCollection, Text

# Most letters of a name in the legend.
MAX_LETTERS = 30
# Rows of a cluster that are compared to place its label.
MOST_COMPARED = 500


@dataclass(eq=False, repr=False)
class ClusterMapDisplay(Display):
    """Map of the clusters: rows in a plane that keeps neighbours of all eigenfunctions.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    coordinates : ndarray of shape (n_drawn, 2)
        Places of the rows.
    labels : ndarray of shape (n_drawn,) or None, default=None
        Label of each row. ``None``: one colour for all rows.
    anchors : ndarray of shape (n_anchors, n_functions)
        Eigenfunctions of the rows that were laid out.
    anchor_coordinates : ndarray of shape (n_anchors, 2)
        Their places.
    label_order : ndarray of shape (n_labels,) or None, default=None
        Labels in the order of colours. ``None``: there are no labels.
    legend_title : str, default="Label"
        Title of the legend.
    cluster_names : dict or None, default=None
        Names of labels, for the legend.
    rows : ndarray of shape (n_drawn,) or None, default=None
        Numbers of the rows among all rows. ``None``: counted from 0.

    Attributes
    ----------
    scatters_ : list of PathCollection
        Markers of each label that occurs, in the order of ``label_order``.
    texts_ : list of Text
        Label at the middle of its rows; empty without labels.
    legend_ : Legend or None
        Legend beside the axes.
    ax_ : Axes
        Axes of the plot.
    figure_ : Figure
        Figure of the axes.

    See Also
    --------
    EmbeddingDisplay : Rows in the plane of two eigenfunctions.

    Notes
    -----
    Up to 1,000 rows are laid out by t-SNE [1]_, which starts at the first two principal
    components of their eigenfunctions. Any other row is placed at the mean of the five
    nearest of them, weighted by the inverse squared distance, so that a row has the
    same place in any company, and rows of later data have places in the same map.

    The plane keeps neighbours. Distances between clusters, their areas and the axes
    have no meaning; labels are computed from the eigenfunctions, not from the map.

    References
    ----------
    .. [1] L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", Journal of
       Machine Learning Research, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from neuraleig.plotting import ClusterMapDisplay
    >>> rows = np.random.default_rng(0).normal(size=(60, 4))
    >>> display = ClusterMapDisplay.from_predictions(rows, random_state=0)
    >>> display.coordinates.shape
    (60, 2)
    >>> display.figure_.savefig("map.png")  # doctest: +SKIP
    """

    coordinates: FloatArray
    _: KW_ONLY
    labels: NDArray[Any] | None = None
    anchors: FloatArray
    anchor_coordinates: FloatArray
    label_order: NDArray[Any] | None = None
    legend_title: str = "Label"
    cluster_names: Mapping[Any, str] | None = None
    rows: IntArray | None = None
    scatters_: list[PathCollection] = field(init=False)
    texts_: list[Text] = field(init=False)
    legend_: Legend | None = field(init=False, default=None)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401 - duck-typed
        X: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        layout: ClusterMapDisplay | None = None,
        label_order: ArrayLike | None = None,
        legend_title: str | None = None,
        subsample: float | None = SUBSAMPLE,
        random_state: RandomState = None,
        ax: Axes | None = None,
        legend: bool = True,
        **kwargs: StyleOption,
    ) -> Self:
        """Plot the map of rows by all eigenfunctions of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted ``NeuralEigenSpectralClustering`` or ``NeuralSpectralEmbedding``,
            or a pipeline that ends in one.
        X : array-like, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in total, seen in the fit or not.
            Batches are read once, and all their rows are evaluated.
        labels : array-like of shape (n_samples,) or None, default=None
            Labels that determine the colours. ``None``: predicted labels, or one
            colour if the estimator does not predict.
        layout : ClusterMapDisplay or None, default=None
            Map of the same estimator in which the rows are placed. ``None``: a map of
            these rows.
        label_order : array-like of shape (n_labels,) or None, default=None
            All labels in the order of colours. ``None``: all clusters for predicted
            labels, otherwise the labels that occur, sorted.
        legend_title : str or None, default=None
            Title of the legend. ``None``: "Cluster" for predicted labels, otherwise
            "Label".
        subsample : int, float or None, default=10_000
            Number of rows, or share of the rows, to draw at random. Only these are
            evaluated, unless ``X`` is an iterable of batches. ``None``: all rows.
        random_state : int, RandomState instance or None, default=None
            Seed of the subsample and of the layout.
        ax, legend, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : ClusterMapDisplay
            Display that was drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator has no eigenfunctions of rows.
        ValueError
            If an argument has a wrong shape or is out of range.

        Examples
        --------
        >>> from sklearn.datasets import load_wine
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> from neuraleig.plotting import ClusterMapDisplay
        >>> X, _ = load_wine(return_X_y=True)
        >>> X = X / X.std(axis=0)
        >>> model = NeuralEigenSpectralClustering(3, random_state=0).fit(X[::2])
        >>> display = ClusterMapDisplay.from_estimator(model, X[::2], random_state=0)
        >>> later = ClusterMapDisplay.from_estimator(model, X[1::2], layout=display)
        >>> len(later.scatters_)
        3
        """
        cls._require_matplotlib("from_estimator")
        found = evaluated_rows(
            estimator, X, labels, label_order, subsample, random_state
        )
        del found["eigenvalues"]
        if labels is None:
            names = getattr(final_step(estimator), "cluster_names_", None)
            found["cluster_names"] = names or None
        if legend_title is not None:
            found["legend_title"] = legend_title
        return cls.from_predictions(
            **found,
            layout=layout,
            random_state=random_state,
            ax=ax,
            legend=legend,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        embedding: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        layout: ClusterMapDisplay | None = None,
        label_order: ArrayLike | None = None,
        legend_title: str = "Label",
        cluster_names: Mapping[Any, str] | None = None,
        subsample: float | None = SUBSAMPLE,
        random_state: RandomState = None,
        rows: ArrayLike | None = None,
        ax: Axes | None = None,
        legend: bool = True,
        **kwargs: StyleOption,
    ) -> Self:
        """Plot the map of rows by given eigenfunctions.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_functions)
            Eigenfunctions 2, 3, ..., without the constant one.
        labels : array-like of shape (n_samples,) or None, default=None
            Labels of any sortable type that determine the colours. ``None``: one
            colour.
        layout : ClusterMapDisplay or None, default=None
            Map in which the rows are placed. ``None``: a map of these rows.
        label_order : array-like of shape (n_labels,) or None, default=None
            All labels in the order of colours. ``None``: the labels that occur,
            sorted.
        legend_title : str, default="Label"
            Title of the legend.
        cluster_names : dict or None, default=None
            Names of labels, for the legend.
        subsample : int, float or None, default=10_000
            Number of rows, or share of the rows, to draw at random. ``None``: all.
        random_state : int, RandomState instance or None, default=None
            Seed of the subsample and of the layout.
        rows : array-like of shape (n_samples,) or None, default=None
            Row numbers. ``None``: counted from 0.
        ax, legend, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : ClusterMapDisplay
            Display that was drawn.

        Raises
        ------
        ValueError
            If an argument has a wrong shape or is out of range.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from neuraleig.plotting import ClusterMapDisplay
        >>> rows, labels = make_blobs(90, 5, centers=4, random_state=0)
        >>> display = ClusterMapDisplay.from_predictions(rows, labels, random_state=0)
        >>> [text.get_text() for text in display.texts_]
        ['0', '1', '2', '3']
        """
        cls._require_matplotlib("from_predictions")
        check_subsample(subsample)
        functions = _checked_functions(embedding, layout)
        n_rows = len(functions)
        labels, label_order = check_labels(
            labels, label_order, n_rows, "row of embedding"
        )
        if rows is not None:
            rows = check_lengths("rows", rows, n_rows, "row of embedding")
        drawn = drawn_rows(n_rows, subsample, random_state)
        functions = functions[drawn]
        found = layout and Layout(layout.anchors, layout.anchor_coordinates)
        found = found or laid_out(functions, random_state)
        display = cls(
            found.place(functions),
            labels=None if labels is None else labels[drawn],
            anchors=found.anchors,
            anchor_coordinates=found.places,
            label_order=label_order,
            legend_title=legend_title,
            cluster_names=cluster_names,
            rows=drawn if rows is None else rows[drawn],
        )
        return display.plot(ax, legend=legend, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, legend: bool = True, **kwargs: StyleOption
    ) -> Self:
        """Plot the map.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes to draw on. ``None``: those of a new figure.
        legend : bool, default=True
            Whether to draw a legend of the labels, if there are at most 40.
        **kwargs : dict
            Keywords of ``Axes.scatter``.

        Returns
        -------
        display : ClusterMapDisplay
            This display.

        Raises
        ------
        ValueError
            If there are labels, and a colour or size is given per row or a ``label``
            for all rows.
        """
        if self.labels is not None:
            check_one_style(kwargs)
        ax = self._begin(ax)
        names = {
            label: f"{label} {name}"[:MAX_LETTERS]
            for label, name in (self.cluster_names or {}).items()
        }
        self.scatters_, self.legend_ = draw_groups(
            ax,
            self.coordinates,
            self.labels,
            self.label_order,
            legend_title=self.legend_title if legend else None,
            style=kwargs,
            names=names,
        )
        self.texts_ = []
        if self.labels is not None:
            for label in np.unique(self.labels):
                place = _middle(self.coordinates[self.labels == label])
                self.texts_.append(label_at(ax, place, str(label)))
        # Places have no units, and equal distances are equal in both directions.
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_aspect("equal", adjustable="datalim")
        return self


def _checked_functions(
    embedding: ArrayLike, layout: ClusterMapDisplay | None
) -> FloatArray:
    """Return eigenfunctions of the rows, as many as those of the map, if there is one.

    Raises ValueError if there is no row or no function.
    """
    expected = "of shape (n_samples, n_functions), without the constant function"
    functions = check_finite("embedding", embedding, 2, expected)
    if 0 in functions.shape:
        raise ValueError(
            f"embedding has shape {functions.shape}; it needs a row and a column."
        )
    n_functions = functions.shape[1]
    if layout is not None and layout.anchors.shape[1] != n_functions:
        raise ValueError(
            f"layout is a map of {layout.anchors.shape[1]} eigenfunctions, but there "
            f"are {n_functions}; pass a map of the same estimator."
        )
    return functions


def _middle(places: FloatArray) -> FloatArray:
    """Place of the row whose nearest half is nearest: in a part, if there are some."""
    some = places[:: -(-len(places) // MOST_COMPARED)]
    distances = np.sort(cdist(some, some), axis=1)[:, : len(some) // 2 + 1]
    middle: FloatArray = some[distances.mean(axis=1).argmin()]
    return middle
