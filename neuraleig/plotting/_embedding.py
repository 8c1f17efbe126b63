"""Display of rows in the plane of two eigenfunctions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuraleig._random import RandomState
from neuraleig._typing import FloatArray, IntArray
from neuraleig.plotting._matplotlib import (
    check_one_style,
    legend_beside,
    merged_style,
    require_matplotlib,
    resolve_axes,
    set_all,
)
from neuraleig.plotting._palette import StyleOption, colors_of, marker_of
from neuraleig.plotting._plane import Plane, checked_plane, evaluated_plane

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend, PathCollection

# A legend of more labels would outgrow the figure and tell nobody anything.
MAX_LEGEND_LABELS = 40
# Rows that are drawn where nothing else is asked for: more cover each other.
SUBSAMPLE = 10_000
# Beyond so many rows a file of vectors holds them as one picture, and their marks
# shrink so that as much paper stays free.
MANY_ROWS = 2_000
MARK_SIZE, MIN_MARK_SIZE, LEGEND_MARK_SIZE = 18.0, 2.0, 40.0


class EmbeddingDisplay:
    """Rows at their values of one or two eigenfunctions, coloured by label.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    embedding : ndarray of shape (n_drawn, 2) or (n_drawn, 1)
        Coordinates of the rows. A single one is drawn against the number of the row.
    labels : ndarray of shape (n_drawn,) or None, default=None
        Label of every row; ``None``: one colour for all.
    eigenvalues : ndarray of shape (2,) or (1,), or None, default=None
        Eigenvalues of the functions, written beside the axes.
    components : tuple of int, default=(2, 3)
        Which eigenfunctions they are.
    label_order : ndarray of shape (n_labels,) or None, default=None
        Labels in the order of colours; ``None`` where there are no labels.
    legend_title : str, default="Label"
        Title of the legend.
    rows : ndarray of shape (n_drawn,) or None, default=None
        Numbers of the rows among those that were given; ``None``: from 0 on.

    Attributes
    ----------
    scatters_ : list of PathCollection
        Rows of each label that occurs, in the order of ``label_order``.
    legend_ : Legend or None
        Beside the axes, where it hides no row.
    ax_ : Axes
        Where they are drawn.
    figure_ : Figure
        Figure of ``ax_``.

    See Also
    --------
    SpectrumDisplay : The eigenvalues.

    Notes
    -----
    Eigenfunctions are counted from 1, as in :class:`SpectrumDisplay`. The first is
    constant, so the first two that tell rows apart are the second and the third. They
    alone rarely separate more than three or four clusters; labels are read off all.

    Examples
    --------
    >>> from neuraleig.plotting import EmbeddingDisplay
    >>> rows = [[0.0, 1.0], [0.1, 1.0], [2.0, -1.0]]
    >>> display = EmbeddingDisplay.from_predictions(rows, ["left", "left", "right"])
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['left', 'right']
    >>> display.figure_.savefig("embedding.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        embedding: FloatArray,
        *,
        labels: NDArray[Any] | None = None,
        eigenvalues: FloatArray | None = None,
        components: tuple[int, ...] = (2, 3),
        label_order: NDArray[Any] | None = None,
        legend_title: str = "Label",
        rows: IntArray | None = None,
    ) -> None:
        self.embedding = embedding
        self.labels = labels
        self.eigenvalues = eigenvalues
        self.components = components
        self.label_order = label_order
        self.legend_title = legend_title
        self.rows = rows

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
        """Draw rows where a fitted estimator puts them.

        Parameters
        ----------
        estimator : estimator
            A fitted ``NeuralEigenSpectralClustering`` or ``NeuralSpectralEmbedding``,
            or a pipeline that ends in one.
        X : array-like, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all, seen in the fit or not.
            Batches are read once, and evaluated whether they are drawn or not.
        labels : array-like of shape (n_samples,) or None, default=None
            Labels to colour by, in the order of the rows. ``None``: those that the
            estimator predicts, and one colour where it does not.
        components : tuple of one or two int, or None, default=None
            Which eigenfunctions to draw, counted from 1, the constant one. ``None``:
            2 and 3, or 2 where it is the last.
        label_order : array-like of shape (n_labels,) or None, default=None
            Every label that may occur, in the order of colours, so that several
            displays agree. ``None``: all clusters for predicted labels, else those
            that occur, sorted.
        legend_title : str or None, default=None
            Title of the legend. ``None``: "Cluster" for predicted labels, else
            "Label".
        subsample : int, float or None, default=10_000
            Most rows to draw, or the share of them, at random; the others are not
            even evaluated, unless ``X`` has batches. ``None``: all.
        random_state : int, RandomState instance or None, default=None
            Seed of that draw.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        legend : bool, default=True
            Whether to explain the colours.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        display : EmbeddingDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no eigenfunctions of rows.
        ValueError
            As by :meth:`from_predictions`.

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
        require_matplotlib(f"{cls.__name__}.from_estimator")
        plane, is_predicted = evaluated_plane(
            estimator,
            X,
            labels,
            components=components,
            label_order=label_order,
            subsample=subsample,
            random_state=random_state,
        )
        if legend_title is None:
            legend_title = "Cluster" if is_predicted else "Label"
        return cls._of(plane, legend_title).plot(ax=ax, legend=legend, **kwargs)

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
        ax: Axes | None = None,
        legend: bool = True,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw rows at given coordinates.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_functions)
            Eigenfunctions 2, 3, ..., without the constant one.
        labels : array-like of shape (n_samples,) or None, default=None
            Labels to colour by, of any sortable type. ``None``: one colour.
        eigenvalues : array-like of shape (n_functions,) or None, default=None
            Eigenvalues of the functions, written beside the axes.
        components : tuple of one or two int, or None, default=None
            Which eigenfunctions to draw. ``None``: the first two columns, or the only
            one.
        label_order : array-like of shape (n_labels,) or None, default=None
            Every label that may occur, in the order of colours, so that several
            displays agree. ``None``: those that occur, sorted.
        legend_title : str, default="Label"
            Title of the legend.
        subsample : int, float or None, default=10_000
            Most rows to draw, or the share of them, at random. ``None``: all.
        random_state : int, RandomState instance or None, default=None
            Seed of that draw.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        legend : bool, default=True
            Whether to explain the colours.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        display : EmbeddingDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there are no such eigenfunctions, labels or eigenvalues do not match
            them, or ``subsample`` is out of range.

        Examples
        --------
        >>> import numpy as np
        >>> from neuraleig.plotting import EmbeddingDisplay
        >>> rows = np.random.default_rng(0).normal(size=(50_000, 2))
        >>> display = EmbeddingDisplay.from_predictions(rows, random_state=0)
        >>> display.embedding.shape
        (10000, 2)
        """
        require_matplotlib(f"{cls.__name__}.from_predictions")
        plane = checked_plane(
            embedding,
            labels,
            eigenvalues=eigenvalues,
            components=components,
            label_order=label_order,
            subsample=subsample,
            random_state=random_state,
        )
        return cls._of(plane, legend_title).plot(ax=ax, legend=legend, **kwargs)

    @classmethod
    def _of(cls, plane: Plane, legend_title: str) -> Self:
        """Display of checked rows, not drawn yet."""
        return cls(
            plane.embedding,
            labels=plane.labels,
            eigenvalues=plane.eigenvalues,
            components=plane.components,
            label_order=plane.label_order,
            legend_title=legend_title,
            rows=plane.rows,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        legend: bool = True,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw the rows.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        legend : bool, default=True
            Whether to explain the colours; left out beyond 40 labels.
        **kwargs : dict
            Passed to ``Axes.scatter``.

        Returns
        -------
        display : EmbeddingDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If colours or sizes are one per row beside labels, or a ``label`` is given,
            of which there is one per colour.
        """
        if self.labels is not None:
            check_one_style(kwargs)
        ax = resolve_axes(ax, "EmbeddingDisplay.plot")
        n_rows = len(self.embedding)
        size = MARK_SIZE * min(1.0, MANY_ROWS / max(n_rows, 1))
        default = {
            "s": max(size, MIN_MARK_SIZE),
            "linewidths": 0,
            "rasterized": n_rows > MANY_ROWS,
        }
        n_labels = 1 if self.label_order is None else len(self.label_order)
        colors = colors_of(n_labels)
        self.scatters_: list[PathCollection] = []
        for position, name, rows in self._groups():
            look = {"color": colors[position], "marker": marker_of(position)}
            named = {**default, **look, "label": name}
            style = merged_style("PathCollection", named, kwargs)
            self.scatters_.append(ax.scatter(rows[:, 0], rows[:, 1], **style))
        self.legend_: Legend | None = None
        n_shown = 0 if self.labels is None else len(self.scatters_)
        if legend and 0 < n_shown <= MAX_LEGEND_LABELS:
            self.legend_ = self._explain(ax)
        ax.set(xlabel=self._axis_name(0), ylabel=self._axis_name(1))
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _groups(self) -> Iterator[tuple[int, str | None, FloatArray]]:
        """Position, name and coordinates of every label that occurs."""
        plane = self.embedding
        if plane.shape[1] == 1:
            numbers = np.arange(len(plane)) if self.rows is None else self.rows
            plane = np.column_stack([plane, numbers])
        if self.labels is None or self.label_order is None:
            yield 0, None, plane
            return
        for position, name in enumerate(self.label_order):
            members = self.labels == name
            if members.any():
                yield position, str(name), plane[members]

    def _explain(self, ax: Axes) -> Legend:
        legend = legend_beside(ax, self.scatters_, self.legend_title)
        # Marks of many rows are small and may be pale, those of the legend are not.
        set_all(legend.legend_handles, sizes=[LEGEND_MARK_SIZE], alpha=1.0)
        return legend

    def _axis_name(self, column: int) -> str:
        if column == self.embedding.shape[1]:
            return "Row"
        name = f"Eigenfunction {self.components[column]}"
        if self.eigenvalues is None:
            return name
        return f"{name} (eigenvalue {self.eigenvalues[column]:.4f})"
