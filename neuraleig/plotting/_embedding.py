"""Display of rows in the plane of two eigenfunctions."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuraleig._random import RandomState
from neuraleig._typing import FloatArray, IntArray
from neuraleig.plotting._base import Display
from neuraleig.plotting._checks import (
    check_labels,
    check_lengths,
    check_subsample,
    drawn_rows,
)
from neuraleig.plotting._groups import SUBSAMPLE, draw_groups
from neuraleig.plotting._matplotlib import check_one_style
from neuraleig.plotting._palette import StyleOption
from neuraleig.plotting._plane import check_plane, evaluated_rows

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend, PathCollection


@dataclass(eq=False, repr=False)
class EmbeddingDisplay(Display):
    """Rows in the plane of two eigenfunctions, coloured by label.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    embedding : ndarray of shape (n_drawn, 2) or (n_drawn, 1)
        Coordinates of the rows. A single one is plotted against the row number.
    labels : ndarray of shape (n_drawn,) or None, default=None
        Label of each row. ``None``: one colour for all rows.
    eigenvalues : ndarray of shape (2,) or (1,), or None, default=None
        Eigenvalues of the functions, for the axis labels.
    components : tuple of int, default=(2, 3)
        Indices of the eigenfunctions, counted from 1.
    label_order : ndarray of shape (n_labels,) or None, default=None
        Labels in the order of colours. ``None``: there are no labels.
    legend_title : str, default="Label"
        Title of the legend.
    rows : ndarray of shape (n_drawn,) or None, default=None
        Numbers of the rows among all rows. ``None``: counted from 0.

    Attributes
    ----------
    scatters_ : list of PathCollection
        Markers of each label that occurs, in the order of ``label_order``.
    legend_ : Legend or None
        Legend beside the axes.
    ax_ : Axes
        Axes of the plot.
    figure_ : Figure
        Figure of the axes.

    See Also
    --------
    SpectrumDisplay : Eigenvalues by index.

    Notes
    -----
    Eigenfunctions are counted from 1, as in :class:`SpectrumDisplay`. The first is
    constant, so the second and the third are plotted by default. Two functions rarely
    separate more than three or four clusters; labels are computed from all functions.

    Examples
    --------
    >>> from neuraleig.plotting import EmbeddingDisplay
    >>> rows = [[0.0, 1.0], [0.1, 1.0], [2.0, -1.0]]
    >>> display = EmbeddingDisplay.from_predictions(rows, ["left", "left", "right"])
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['left', 'right']
    >>> display.figure_.savefig("embedding.png")  # doctest: +SKIP
    """

    embedding: FloatArray
    _: KW_ONLY
    labels: NDArray[Any] | None = None
    eigenvalues: FloatArray | None = None
    components: tuple[int, ...] = (2, 3)
    label_order: NDArray[Any] | None = None
    legend_title: str = "Label"
    rows: IntArray | None = None
    scatters_: list[PathCollection] = field(init=False)
    legend_: Legend | None = field(init=False, default=None)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401 - duck-typed
        X: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        components: tuple[int, ...] | None = None,
        label_order: ArrayLike | None = None,
        legend_title: str | None = None,
        subsample: float | None = SUBSAMPLE,
        random_state: RandomState = None,
        ax: Axes | None = None,
        legend: bool = True,
        **kwargs: StyleOption,
    ) -> Self:
        """Plot rows at the eigenfunctions of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted ``NeuralEigenSpectralClustering`` or ``NeuralSpectralEmbedding``,
            or a pipeline that ends in one.
        X : {array-like, sparse matrix}, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in total, seen in the fit or not.
            Batches are read once, and all their rows are evaluated.
        labels : array-like of shape (n_samples,) or None, default=None
            Labels that determine the colours. ``None``: predicted labels, or one
            colour if the estimator does not predict.
        components : tuple of one or two int, or None, default=None
            Indices of the eigenfunctions, counted from 1 for the constant one.
            ``None``: 2 and 3, or 2 if it is the last one.
        label_order : array-like of shape (n_labels,) or None, default=None
            All labels in the order of colours; pass it to get equal colours in
            several displays. ``None``: all clusters for predicted labels, otherwise
            the labels that occur, sorted.
        legend_title : str or None, default=None
            Title of the legend. ``None``: "Cluster" for predicted labels, otherwise
            "Label".
        subsample : int, float or None, default=10_000
            Number of rows, or share of the rows, to draw at random. Only these are
            evaluated, unless ``X`` is an iterable of batches. ``None``: all rows.
        random_state : int, RandomState instance or None, default=None
            Seed of the subsample.
        ax, legend, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : EmbeddingDisplay
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
        >>> from sklearn.datasets import make_blobs
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> from neuraleig.plotting import EmbeddingDisplay
        >>> X, _ = make_blobs(200, random_state=0, cluster_std=0.8)
        >>> model = NeuralEigenSpectralClustering(3, random_state=0).fit(X[:150])
        >>> display = EmbeddingDisplay.from_estimator(model, X[150:])
        >>> len(display.scatters_)
        3
        """
        cls._require_matplotlib("from_estimator")
        found = evaluated_rows(
            estimator, X, labels, label_order, subsample, random_state
        )
        if legend_title is not None:
            found["legend_title"] = legend_title
        return cls.from_predictions(
            **found,
            components=components,
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
        eigenvalues: ArrayLike | None = None,
        components: tuple[int, ...] | None = None,
        label_order: ArrayLike | None = None,
        legend_title: str = "Label",
        subsample: float | None = SUBSAMPLE,
        random_state: RandomState = None,
        rows: ArrayLike | None = None,
        ax: Axes | None = None,
        legend: bool = True,
        **kwargs: StyleOption,
    ) -> Self:
        """Plot rows at given coordinates.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_functions)
            Eigenfunctions 2, 3, ..., without the constant one.
        labels : array-like of shape (n_samples,) or None, default=None
            Labels of any sortable type that determine the colours. ``None``: one
            colour.
        eigenvalues : array-like of shape (n_functions,) or None, default=None
            Eigenvalues of the functions, for the axis labels.
        components : tuple of one or two int, or None, default=None
            Indices of the eigenfunctions; the first column has index 2. ``None``: the
            first two columns, or the only one.
        label_order : array-like of shape (n_labels,) or None, default=None
            All labels in the order of colours. ``None``: the labels that occur,
            sorted.
        legend_title : str, default="Label"
            Title of the legend.
        subsample : int, float or None, default=10_000
            Number of rows, or share of the rows, to draw at random. ``None``: all.
        random_state : int, RandomState instance or None, default=None
            Seed of the subsample.
        rows : array-like of shape (n_samples,) or None, default=None
            Row numbers, the second axis of a single function. ``None``: counted
            from 0.
        ax, legend, **kwargs : optional
            As in :meth:`plot`.

        Returns
        -------
        display : EmbeddingDisplay
            Display that was drawn.

        Raises
        ------
        ValueError
            If an argument has a wrong shape or is out of range.

        Examples
        --------
        >>> import numpy as np
        >>> from neuraleig.plotting import EmbeddingDisplay
        >>> rows = np.random.default_rng(0).normal(size=(50_000, 2))
        >>> display = EmbeddingDisplay.from_predictions(rows, random_state=0)
        >>> display.embedding.shape
        (10000, 2)
        """
        cls._require_matplotlib("from_predictions")
        check_subsample(subsample)
        values, components, columns = check_plane(embedding, components)
        n_rows, n_functions = values.shape
        drawn = drawn_rows(n_rows, subsample, random_state)
        if rows is not None:
            rows = check_lengths("rows", rows, n_rows, "row of embedding")[drawn]
        labels, label_order = check_labels(
            labels, label_order, n_rows, "row of embedding"
        )
        if eigenvalues is not None:
            eigenvalues = check_lengths(
                "eigenvalues", eigenvalues, n_functions, "column of embedding"
            )[columns]
        display = cls(
            values[:, columns][drawn],
            labels=None if labels is None else labels[drawn],
            eigenvalues=eigenvalues,
            components=components,
            label_order=label_order,
            legend_title=legend_title,
            rows=drawn if rows is None else rows,
        )
        return display.plot(ax, legend=legend, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, legend: bool = True, **kwargs: StyleOption
    ) -> Self:
        """Plot the rows.

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
        display : EmbeddingDisplay
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
        self.scatters_, self.legend_ = draw_groups(
            ax,
            self._plane(),
            self.labels,
            self.label_order,
            legend_title=self.legend_title if legend else None,
            style=kwargs,
        )
        ax.set(xlabel=self._axis_name(0), ylabel=self._axis_name(1))
        return self

    def _plane(self) -> FloatArray:
        """Coordinates of the rows; their number is the second of a single function."""
        plane = self.embedding
        if plane.shape[1] == 2:
            return plane
        numbers = np.arange(len(plane)) if self.rows is None else self.rows
        return np.column_stack([plane, numbers])

    def _axis_name(self, column: int) -> str:
        if column == self.embedding.shape[1]:
            return "Row"
        name = f"Eigenfunction {self.components[column]}"
        if self.eigenvalues is None:
            return name
        return f"{name} (eigenvalue {self.eigenvalues[column]:.4f})"
