"""Display of eigenvalues and of the gap that suggests a number of clusters."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._typing import FloatArray
from neuraleig._validation import is_count
from neuraleig.plotting._base import Display
from neuraleig.plotting._checks import check_finite
from neuraleig.plotting._fitted import fitted_step
from neuraleig.plotting._matplotlib import merged_style
from neuraleig.plotting._palette import ACCENT, COLORS, StyleOption
from neuraleig.spectrum import suggest_n_clusters

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend, Line2D

# Increases between eigenvalues that are due to rounding.
ORDER_TOLERANCE = 1e-6
# Size of a marker in points, and number of eigenvalues above which markers shrink so
# that they stay apart.
MARKER_SIZE, MANY_VALUES = 5.0, 60


@dataclass(eq=False, repr=False)
class SpectrumDisplay(Display):
    """Eigenvalues by index, with the suggested number of clusters.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_components,)
        Eigenvalues of the normalised affinity in descending order. The first one
        belongs to the constant function.
    suggested_n_clusters : int or None, default=None
        Number of eigenvalues before the gap that is marked. ``None``: no mark.

    Attributes
    ----------
    line_ : Line2D
        Eigenvalues.
    gap_ : Line2D or None
        Emphasised line between the two eigenvalues at the gap.
    suggestion_ : Line2D or None
        Vertical line at the gap.
    legend_ : Legend or None
        Legend with the number of clusters.
    ax_ : Axes
        Axes of the plot.
    figure_ : Figure
        Figure of the axes.

    See Also
    --------
    EmbeddingDisplay : Rows in the plane of two eigenfunctions.
    neuraleig.spectrum.suggest_n_clusters : Number of clusters from eigenvalues.

    Examples
    --------
    >>> from neuraleig.plotting import SpectrumDisplay
    >>> display = SpectrumDisplay.from_predictions([1.0, 0.99, 0.98, 0.7, 0.6])
    >>> display.legend_.get_texts()[0].get_text()
    'Suggested number of clusters: 3'
    >>> display.figure_.savefig("spectrum.png")  # doctest: +SKIP
    """

    eigenvalues: FloatArray
    _: KW_ONLY
    suggested_n_clusters: int | None = None
    line_: Line2D = field(init=False)
    gap_: Line2D | None = field(init=False, default=None)
    suggestion_: Line2D | None = field(init=False, default=None)
    legend_: Legend | None = field(init=False, default=None)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401 - duck-typed
        *,
        suggested_n_clusters: int | Literal["auto"] | None = "auto",
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Plot the graph eigenvalues of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted ``NeuralEigenSpectralClustering``, ``NeuralSpectralEmbedding`` or
            ``DenseSegmenter``, or a pipeline that ends in one.
        suggested_n_clusters : int, "auto" or None, default="auto"
            Number of eigenvalues before the gap that is marked. ``"auto"``: the best
            of the ``cluster_curve_`` where the estimator has one, and otherwise
            computed by :func:`neuraleig.spectrum.suggest_n_clusters`. ``None``: no
            mark.
        ax : Axes or None, default=None
            Axes to draw on. ``None``: those of a new figure.
        **kwargs : dict
            Keywords of ``Axes.plot`` for the eigenvalues.

        Returns
        -------
        display : SpectrumDisplay
            Display that was drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator has no ``graph_eigenvalues_``.

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
        cls._require_matplotlib("from_estimator")
        step = fitted_step(estimator, "graph_eigenvalues_")
        curve = getattr(step, "cluster_curve_", None)
        values = step.graph_eigenvalues_
        if suggested_n_clusters == "auto" and curve is not None:
            # One cluster, or as many as eigenvalues, leave no gap to mark.
            is_gap = 1 < curve.best < len(values)
            suggested_n_clusters = curve.best if is_gap else None
        return cls.from_predictions(
            values,
            suggested_n_clusters=suggested_n_clusters,
            ax=ax,
            **kwargs,
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
        """Plot given eigenvalues.

        Parameters
        ----------
        eigenvalues : array-like of shape (n_components,)
            Eigenvalues of the normalised affinity in descending order.
        suggested_n_clusters : int, "auto" or None, default="auto"
            Number of eigenvalues before the gap that is marked. ``"auto"``: computed
            by :func:`neuraleig.spectrum.suggest_n_clusters` from three or more
            eigenvalues. ``None``: no mark.
        ax, **kwargs : optional
            As in :meth:`from_estimator`.

        Returns
        -------
        display : SpectrumDisplay
            Display that was drawn.

        Raises
        ------
        ValueError
            If the eigenvalues are not finite and descending, or if
            ``suggested_n_clusters`` is not below their number.

        Examples
        --------
        >>> from neuraleig.plotting import SpectrumDisplay
        >>> eigenvalues = [1.0, 0.99, 0.98, 0.7, 0.6]
        >>> SpectrumDisplay.from_predictions(eigenvalues).suggested_n_clusters
        3
        """
        cls._require_matplotlib("from_predictions")
        values = _check_eigenvalues(eigenvalues)
        suggestion = _check_suggestion(suggested_n_clusters, values)
        return cls(values, suggested_n_clusters=suggestion).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: StyleOption) -> Self:
        """Plot the eigenvalues.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes to draw on. ``None``: those of a new figure.
        **kwargs : dict
            Keywords of ``Axes.plot`` for the eigenvalues.

        Returns
        -------
        display : SpectrumDisplay
            This display.
        """
        ax = self._begin(ax)
        index = np.arange(1, self.eigenvalues.size + 1)
        size = MARKER_SIZE * min(1.0, MANY_VALUES / index.size)
        default = {"color": COLORS[0], "marker": "o", "markersize": size}
        style = merged_style("Line2D", default, kwargs)
        (self.line_,) = ax.plot(index, self.eigenvalues, **style)
        if self.suggested_n_clusters is not None:
            self._mark_gap(ax, self.suggested_n_clusters)
        # Whole numbers, also for a single index.
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        ax.set(xlabel="Index of the eigenvalue", ylabel="Eigenvalue")
        return self

    def _mark_gap(self, ax: Axes, n_clusters: int) -> None:
        sides = np.array([n_clusters, n_clusters + 1])
        (self.gap_,) = ax.plot(
            sides, self.eigenvalues[sides - 1], color=ACCENT, linewidth=2.5
        )
        is_suggested = _check_suggestion("auto", self.eigenvalues) == n_clusters
        kind = "Suggested" if is_suggested else "Chosen"
        self.suggestion_ = ax.axvline(
            n_clusters + 0.5,
            color=ACCENT,
            linestyle="--",
            label=f"{kind} number of clusters: {n_clusters}",
        )
        # Which corner is free depends on how fast the eigenvalues fall.
        self.legend_ = ax.legend(loc="best")


def _check_suggestion(
    suggestion: int | Literal["auto"] | None, eigenvalues: FloatArray
) -> int | None:
    """Return the number of eigenvalues before the gap to mark, or None."""
    n_values = eigenvalues.size
    if suggestion == "auto":
        # Fewer than three eigenvalues leave no choice of a gap.
        return suggest_n_clusters(eigenvalues) if n_values >= 3 else None
    if suggestion is None:
        return None
    if not is_count(suggestion) or suggestion >= n_values:
        raise ValueError(
            f"suggested_n_clusters={suggestion!r} must be an integer from 1 to "
            f"{n_values - 1}, below the number of eigenvalues; None marks no gap."
        )
    return int(suggestion)


def _check_eigenvalues(eigenvalues: ArrayLike) -> FloatArray:
    expected = "a sequence of at least one number"
    values = check_finite("eigenvalues", eigenvalues, 1, expected)
    if values.size == 0:
        raise ValueError(f"eigenvalues is empty; it must be {expected}.")
    if np.any(np.diff(values) > ORDER_TOLERANCE):
        raise ValueError(
            "eigenvalues must be in descending order; pass those of the normalised "
            "affinity, which are 1 minus those of the normalised Laplacian."
        )
    return values
