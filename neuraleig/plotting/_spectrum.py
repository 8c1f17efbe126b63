"""Display of eigenvalues and of the gap that suggests a number of clusters."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._typing import FloatArray
from neuraleig.plotting._fitted import eigenvalues_of
from neuraleig.plotting._matplotlib import (
    merged_style,
    require_matplotlib,
    resolve_axes,
)
from neuraleig.plotting._palette import ACCENT, COLORS, StyleOption
from neuraleig.spectrum import suggest_n_clusters

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend, Line2D

# Order that rounding may break.
ORDER_TOLERANCE = 1e-6
# Points of a marker, and eigenvalues beyond which markers shrink so as not to merge.
MARKER_SIZE, MANY_VALUES = 5.0, 60


class SpectrumDisplay:
    """Eigenvalues by their index, with the suggested number of clusters marked.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_components,)
        Descending eigenvalues of the normalised affinity, that of the constant first.
    suggested_n_clusters : int or None, default=None
        Number of eigenvalues before the gap that is marked; ``None`` marks nothing.

    Attributes
    ----------
    line_ : Line2D
        Eigenvalues.
    gap_ : Line2D or None
        The step between the eigenvalues at both sides of the gap, emphasised.
    suggestion_ : Line2D or None
        Vertical line after the suggested number of eigenvalues.
    legend_ : Legend or None
        Says what the mark suggests.
    ax_ : Axes
        Where they are drawn.
    figure_ : Figure
        Figure of ``ax_``.

    See Also
    --------
    EmbeddingDisplay : The eigenfunctions.
    neuraleig.spectrum.suggest_n_clusters : How the gap is found.

    Examples
    --------
    >>> from neuraleig.plotting import SpectrumDisplay
    >>> display = SpectrumDisplay.from_predictions([1.0, 0.99, 0.98, 0.7, 0.6])
    >>> display.legend_.get_texts()[0].get_text()
    'Suggested number of clusters: 3'
    >>> display.figure_.savefig("spectrum.png")  # doctest: +SKIP
    """

    def __init__(
        self, eigenvalues: FloatArray, *, suggested_n_clusters: int | None = None
    ) -> None:
        self.eigenvalues = eigenvalues
        self.suggested_n_clusters = suggested_n_clusters

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401 - duck-typed
        *,
        suggested_n_clusters: int | Literal["auto"] | None = "auto",
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw the graph's eigenvalues of a fitted estimator, and the gap among them.

        Parameters
        ----------
        estimator : estimator
            A fitted ``NeuralEigenSpectralClustering``, ``NeuralSpectralEmbedding`` or
            ``DenseSegmenter``, or a pipeline that ends in one.
        suggested_n_clusters : int, "auto" or None, default="auto"
            Number of eigenvalues before the gap to mark. ``"auto"``: what
            :func:`neuraleig.spectrum.suggest_n_clusters` makes of them, which
            estimators of clusters keep as ``suggested_n_clusters_``. ``None``: nothing.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the eigenvalues.

        Returns
        -------
        display : SpectrumDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no ``graph_eigenvalues_``.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> from neuraleig.plotting import SpectrumDisplay
        >>> X, _ = make_blobs(200, random_state=0, cluster_std=0.8)
        >>> model = NeuralEigenSpectralClustering(3, random_state=0).fit(X)
        >>> SpectrumDisplay.from_estimator(model).ax_.get_ylabel()
        'Eigenvalue'
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        eigenvalues = eigenvalues_of(estimator, "graph_eigenvalues_")
        return cls.from_predictions(
            eigenvalues, suggested_n_clusters=suggested_n_clusters, ax=ax, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        eigenvalues: ArrayLike,
        *,
        suggested_n_clusters: int | Literal["auto"] | None = "auto",
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Draw given eigenvalues.

        Parameters
        ----------
        eigenvalues : array-like of shape (n_components,)
            Descending, that of the constant first.
        suggested_n_clusters : int, "auto" or None, default="auto"
            Number of eigenvalues before the gap to mark. ``"auto"``: what
            :func:`neuraleig.spectrum.suggest_n_clusters` makes of them, if there are
            at least three. ``None``: nothing.
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the eigenvalues.

        Returns
        -------
        display : SpectrumDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the eigenvalues are not a descending sequence of finite numbers, or no
            gap follows that many of them.

        Examples
        --------
        >>> from neuraleig.plotting import SpectrumDisplay
        >>> eigenvalues = [1.0, 0.99, 0.98, 0.7, 0.6]
        >>> SpectrumDisplay.from_predictions(eigenvalues).suggested_n_clusters
        3
        """
        require_matplotlib(f"{cls.__name__}.from_predictions")
        values = _check_eigenvalues(eigenvalues)
        suggestion = _check_suggestion(suggested_n_clusters, values)
        return cls(values, suggested_n_clusters=suggestion).plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: StyleOption) -> Self:
        """Draw the eigenvalues.

        Parameters
        ----------
        ax : Axes or None, default=None
            Where to draw; ``None``: a new figure.
        **kwargs : dict
            Passed to ``Axes.plot`` for the eigenvalues.

        Returns
        -------
        display : SpectrumDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        ax = resolve_axes(ax, "SpectrumDisplay.plot")
        index = np.arange(1, self.eigenvalues.size + 1)
        size = MARKER_SIZE * min(1.0, MANY_VALUES / index.size)
        default = {"color": COLORS[0], "marker": "o", "markersize": size}
        style = merged_style("Line2D", default, kwargs)
        (self.line_,) = ax.plot(index, self.eigenvalues, **style)
        self.gap_: Line2D | None = None
        self.suggestion_: Line2D | None = None
        self.legend_: Legend | None = None
        if self.suggested_n_clusters is not None:
            self._mark_gap(ax, self.suggested_n_clusters)
        # A single index would ask for ticks between whole numbers.
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        ax.set(xlabel="Index of the eigenvalue", ylabel="Eigenvalue")
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _mark_gap(self, ax: Axes, n_clusters: int) -> None:
        sides = np.array([n_clusters, n_clusters + 1])
        (self.gap_,) = ax.plot(
            sides, self.eigenvalues[sides - 1], color=ACCENT, linewidth=2.5
        )
        # A number of the caller's is not passed off as a suggestion.
        is_found = _check_suggestion("auto", self.eigenvalues) == n_clusters
        name = "Suggested" if is_found else "Chosen"
        self.suggestion_ = ax.axvline(
            n_clusters + 0.5,
            color=ACCENT,
            linestyle="--",
            label=f"{name} number of clusters: {n_clusters}",
        )
        # Eigenvalues descend: which of two corners is free depends on how fast.
        self.legend_ = ax.legend(loc="best")


def _check_suggestion(
    suggestion: int | Literal["auto"] | None, eigenvalues: FloatArray
) -> int | None:
    """Number of eigenvalues before the gap, if one is to be marked."""
    n_values = eigenvalues.size
    if suggestion == "auto":
        # Fewer leave nothing to choose from.
        return suggest_n_clusters(eigenvalues) if n_values >= 3 else None
    if suggestion is None:
        return None
    is_number = isinstance(suggestion, Integral) and not isinstance(suggestion, bool)
    if not is_number or not 1 <= suggestion < n_values:
        raise ValueError(
            f"suggested_n_clusters={suggestion!r} must be an integer from 1 to "
            f"{n_values - 1}, below the number of eigenvalues; None marks nothing."
        )
    return int(suggestion)


def _check_eigenvalues(eigenvalues: ArrayLike) -> FloatArray:
    values = np.asarray(eigenvalues, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(
            f"eigenvalues has shape {values.shape}; it must be a sequence of at least "
            "one number."
        )
    if not np.isfinite(values).all():
        raise ValueError("eigenvalues must be finite, but has NaN or infinity.")
    if np.any(np.diff(values) > ORDER_TOLERANCE):
        raise ValueError(
            "eigenvalues must be in descending order: those of the normalised "
            "affinity, 1 minus those of the normalised Laplacian."
        )
    return values
