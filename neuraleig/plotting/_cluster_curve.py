"""Display of the strengths of all numbers of clusters."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._typing import FloatArray
from neuraleig._validation import is_count
from neuraleig._words import count_text
from neuraleig.plotting._base import Display
from neuraleig.plotting._checks import check_finite
from neuraleig.plotting._fitted import fitted_step
from neuraleig.plotting._matplotlib import merged_style
from neuraleig.plotting._palette import ACCENT, COLORS, NEUTRAL, StyleOption

if TYPE_CHECKING:
    from neuraleig.plotting._matplotlib import Axes, Legend, Line2D

# Size of a marker in points.
MARKER_SIZE = 5.0
# Strengths below this are drawn there: they are far from any choice, and would squeeze
# the others together.
LOWEST = -2.0


@dataclass(eq=False, repr=False)
class ClusterCurveDisplay(Display):
    """Strength of every number of clusters, with the chosen number.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    strengths : ndarray of shape (n_numbers,)
        Strengths of 1, 2, ... clusters.
    n_clusters : int or None, default=None
        Number in use, which is marked. ``None``: no mark.

    Attributes
    ----------
    line_ : Line2D
        Strengths by number; those below -2 are drawn at -2.
    zero_ : Line2D
        Strength of one cluster, which others must surpass.
    best_ : Line2D
        Mark of the number of the largest strength.
    chosen_ : Line2D or None
        Vertical line at the number in use.
    legend_ : Legend
        Legend with both numbers.
    ax_ : Axes
        Axes of the plot.
    figure_ : Figure
        Figure of the axes.

    See Also
    --------
    SpectrumDisplay : Eigenvalues of the graph.
    neuraleig.reading.ClusterCurve : Other measures of every number.

    Examples
    --------
    >>> from neuraleig.plotting import ClusterCurveDisplay
    >>> display = ClusterCurveDisplay.from_predictions([0.0, 0.1, 1.8, 0.3, -0.2])
    >>> display.legend_.get_texts()[0].get_text()
    'Largest strength: 3 clusters'
    >>> display.figure_.savefig("curve.png")  # doctest: +SKIP
    """

    strengths: FloatArray
    _: KW_ONLY
    n_clusters: int | None = None
    line_: Line2D = field(init=False)
    zero_: Line2D = field(init=False)
    best_: Line2D = field(init=False)
    chosen_: Line2D | None = field(init=False, default=None)
    legend_: Legend = field(init=False)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401 - duck-typed
        *,
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Plot the curve of a fitted clustering or segmenter.

        Parameters
        ----------
        estimator : estimator
            ``NeuralEigenSpectralClustering`` or ``DenseSegmenter`` that was fitted with
            ``n_clusters="auto"`` or ``max_clusters``, or a pipeline that ends in one.
        ax : Axes or None, default=None
            Axes to draw on. ``None``: those of a new figure.
        **kwargs : dict
            Keywords of ``Axes.plot`` for the strengths.

        Returns
        -------
        display : ClusterCurveDisplay
            Display that was drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator has no ``cluster_curve_``.
        ValueError
            If it was fitted without a curve.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> from neuraleig.plotting import ClusterCurveDisplay
        >>> X, _ = make_blobs(200, random_state=0, cluster_std=0.5)
        >>> model = NeuralEigenSpectralClustering("auto", max_clusters=6).fit(X)
        >>> ClusterCurveDisplay.from_estimator(model).ax_.get_ylabel()
        'Strength'
        """
        cls._require_matplotlib("from_estimator")
        step = fitted_step(estimator, "cluster_curve_")
        if step.cluster_curve_ is None:
            raise ValueError(
                "estimator was fitted without a curve; fit with n_clusters='auto' or "
                "max_clusters=30."
            )
        return cls.from_predictions(
            step.cluster_curve_.strength, n_clusters=step.n_clusters_, ax=ax, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        strengths: ArrayLike,
        *,
        n_clusters: int | None = None,
        ax: Axes | None = None,
        **kwargs: StyleOption,
    ) -> Self:
        """Plot given strengths.

        Parameters
        ----------
        strengths : array-like of shape (n_numbers,)
            Strengths of 1, 2, ... clusters.
        n_clusters : int or None, default=None
            Number in use, which is marked. ``None``: no mark.
        ax, **kwargs : optional
            As in :meth:`from_estimator`.

        Returns
        -------
        display : ClusterCurveDisplay
            Display that was drawn.

        Raises
        ------
        ValueError
            If the strengths are not finite numbers, or ``n_clusters`` is no count.

        Examples
        --------
        >>> from neuraleig.plotting import ClusterCurveDisplay
        >>> ClusterCurveDisplay.from_predictions([0.0, 1.0], n_clusters=2).n_clusters
        2
        """
        cls._require_matplotlib("from_predictions")
        expected = "a sequence of at least one number"
        values = check_finite("strengths", strengths, 1, expected)
        if values.size == 0:
            raise ValueError(f"strengths is empty; it must be {expected}.")
        if n_clusters is not None and not is_count(n_clusters):
            raise ValueError(
                f"n_clusters={n_clusters!r} must be an integer of at least 1, or None "
                "for no mark."
            )
        return cls(values, n_clusters=n_clusters).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: StyleOption) -> Self:
        """Plot the strengths.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes to draw on. ``None``: those of a new figure.
        **kwargs : dict
            Keywords of ``Axes.plot`` for the strengths.

        Returns
        -------
        display : ClusterCurveDisplay
            This display.
        """
        ax = self._begin(ax)
        numbers = np.arange(1, self.strengths.size + 1)
        shown = np.maximum(self.strengths, LOWEST)
        default = {"color": COLORS[0], "marker": "o", "markersize": MARKER_SIZE}
        (self.line_,) = ax.plot(
            numbers, shown, **merged_style("Line2D", default, kwargs)
        )
        self.zero_ = ax.axhline(0.0, color=NEUTRAL, linewidth=1.0, zorder=0)
        best = int(np.argmax(shown))
        (self.best_,) = ax.plot(
            numbers[best],
            shown[best],
            color=ACCENT,
            marker="o",
            markersize=2 * MARKER_SIZE,
            linestyle="none",
            label=f"Largest strength: {count_text(best + 1, 'cluster')}",
        )
        if self.n_clusters is not None:
            self.chosen_ = ax.axvline(
                self.n_clusters,
                color=ACCENT,
                linestyle="--",
                label=f"In use: {count_text(self.n_clusters, 'cluster')}",
            )
        self.legend_ = ax.legend(loc="best")
        # Whole numbers, also for a single one.
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
        ax.set(xlabel="Number of clusters", ylabel="Strength")
        return self
