"""Display of rows in the plane of two eigenfunctions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuraleig._typing import FloatArray
from neuraleig.plotting._fitted import eigenvalues_of
from neuraleig.plotting._matplotlib import resolve_axes
from neuraleig.plotting._palette import StyleOption, style_of

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend

# A legend of more labels would outgrow the figure and tell nobody anything.
MAX_LEGEND_LABELS = 40
# Labels per column of the legend, at the height of a default figure.
LEGEND_ROWS = 14


class EmbeddingDisplay:
    """Rows at their values of one or two eigenfunctions, coloured by label.

    Use :meth:`from_estimator` or :meth:`from_values` to make one.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, 2) or (n_samples, 1)
        Coordinates of the rows. A single one is drawn against the number of the row.
    labels : ndarray of shape (n_samples,) or None
        Label of every row; ``None``: one colour for all.
    eigenvalues : ndarray of shape (2,) or (1,), or None
        Eigenvalues of the functions, written beside the axes.
    components : tuple of int, default=(2, 3)
        Which eigenfunctions they are.
    label_order : ndarray of shape (n_labels,) or None
        Labels in the order of colours; ``None`` where there are no labels.
    legend_title : str, default="Label"
        Title of the legend.

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
    >>> display = EmbeddingDisplay.from_values(rows, ["left", "left", "right"])
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
    ) -> None:
        self.embedding = embedding
        self.labels = labels
        self.eigenvalues = eigenvalues
        self.components = components
        self.label_order = label_order
        self.legend_title = legend_title

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
        X : array-like of shape (n_samples, n_features)
            Rows, seen in the fit or not.
        labels : array-like of shape (n_samples,) or None, default=None
            Labels to colour by. ``None``: ``estimator.predict(X)``, and one colour
            where the estimator does not predict.
        components : tuple of one or two int, or None, default=None
            Which eigenfunctions to draw, counted from 1, the constant one. ``None``:
            2 and 3, or 2 where it is the last.
        label_order : array-like of shape (n_labels,) or None, default=None
            Every label that may occur, in the order of colours, so that several
            displays agree. ``None``: those that occur, sorted.
        legend_title : str or None, default=None
            Title of the legend. ``None``: "Cluster" for predicted labels, else
            "Label".
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
        eigenvalues = eigenvalues_of(estimator)
        functions = np.asarray(estimator.transform(X), dtype=np.float64)
        # The clustering returns the constant function too, the embedding does not.
        functions = functions[:, functions.shape[1] - eigenvalues.size + 1 :]
        title = "Label"
        if labels is None and hasattr(estimator, "predict"):
            labels, title = estimator.predict(X), "Cluster"
        return cls.from_values(
            functions,
            labels,
            eigenvalues=eigenvalues[1:],
            components=components,
            label_order=label_order,
            legend_title=title if legend_title is None else legend_title,
            ax=ax,
            legend=legend,
            **kwargs,
        )

    @classmethod
    def from_values(
        cls,
        embedding: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        eigenvalues: ArrayLike | None = None,
        components: tuple[int, ...] | None = None,
        label_order: ArrayLike | None = None,
        legend_title: str = "Label",
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
            If there are no such eigenfunctions, or labels or eigenvalues do not match
            them.
        """
        values = _check_embedding(embedding)
        if components is None:
            components = (2, 3)[: values.shape[1]]
        columns = _check_components(components, values.shape[1])
        order = None
        if labels is not None:
            labels = _check_shape("labels", labels, values.shape[0], "row")
            order = _check_order(label_order, labels)
        if eigenvalues is not None:
            eigenvalues = _check_shape(
                "eigenvalues", eigenvalues, values.shape[1], "column"
            )[columns]
        display = cls(
            values[:, columns],
            labels=labels,
            eigenvalues=eigenvalues,
            components=components,
            label_order=order,
            legend_title=legend_title,
        )
        return display.plot(ax=ax, legend=legend, **kwargs)

    def plot(
        self, *, ax: Axes | None = None, legend: bool = True, **kwargs: StyleOption
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
            If matplotlib is missing and no ``ax`` is given.
        """
        ax = resolve_axes(ax, "EmbeddingDisplay.plot")
        self.scatters_ = []
        for position, name, rows in self._groups():
            color, marker = style_of(position)
            style = {"s": 18, "color": color, "marker": marker, "linewidths": 0}
            points = ax.scatter(
                rows[:, 0], rows[:, 1], label=name, **{**style, **kwargs}
            )
            self.scatters_.append(points)
        self.legend_: Legend | None = None
        if legend and self.labels is not None:
            self.legend_ = self._explain(ax)
        ax.set(xlabel=self._axis_name(0), ylabel=self._axis_name(1))
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _groups(self) -> Iterator[tuple[int, str | None, FloatArray]]:
        """Position, name and coordinates of every label that occurs."""
        plane = self.embedding
        if plane.shape[1] == 1:
            plane = np.column_stack([plane, np.arange(len(plane))])
        if self.labels is None or self.label_order is None:
            yield 0, None, plane
            return
        for position, name in enumerate(self.label_order):
            members = self.labels == name
            if members.any():
                yield position, str(name), plane[members]

    def _explain(self, ax: Axes) -> Legend | None:
        n_labels = len(self.scatters_)
        if n_labels > MAX_LEGEND_LABELS:
            return None
        return ax.legend(
            handles=self.scatters_,
            title=self.legend_title,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            ncols=-(-n_labels // LEGEND_ROWS),
            markerscale=1.5,
            # The shapes stand at the height of the letters.
            scatteryoffsets=[0.5],
            frameon=False,
            borderaxespad=0.0,
        )

    def _axis_name(self, column: int) -> str:
        if column == self.embedding.shape[1]:
            return "Row"
        name = f"Eigenfunction {self.components[column]}"
        if self.eigenvalues is None:
            return name
        return f"{name} (eigenvalue {self.eigenvalues[column]:.4f})"


def _check_embedding(embedding: ArrayLike) -> FloatArray:
    values = np.asarray(embedding, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(
            f"embedding has shape {values.shape}; it must have two dimensions and at "
            "least one column, the eigenfunctions without the constant one."
        )
    return values


def _check_components(components: tuple[int, ...], n_functions: int) -> list[int]:
    """Columns of some eigenfunctions, of which the first column is the second."""
    columns = [component - 2 for component in components]
    if len(columns) not in (1, 2) or not all(0 <= c < n_functions for c in columns):
        raise ValueError(
            f"components={components!r} must be one or two eigenfunctions, from 2 (the "
            f"first is constant) to {n_functions + 1}."
        )
    return columns


def _check_shape(
    name: str, values: ArrayLike, length: int, counterpart: str
) -> NDArray[Any]:
    checked = np.asarray(values)
    if checked.shape != (length,):
        raise ValueError(
            f"{name} has shape {checked.shape}; it must be ({length},), one per "
            f"{counterpart} of embedding."
        )
    return checked


def _check_order(label_order: ArrayLike | None, labels: NDArray[Any]) -> NDArray[Any]:
    found = np.unique(labels)
    if label_order is None:
        return found
    order = np.asarray(label_order)
    left_out = found[~np.isin(found, order)]
    if left_out.size:
        raise ValueError(
            f"label_order={order.tolist()} leaves out labels that occur: "
            f"{left_out.tolist()}."
        )
    return order
