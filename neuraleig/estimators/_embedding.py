"""Spectral embedding that transforms new rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from neuraleig._device import ordinary_torch
from neuraleig._fit import Problem, Task, fit
from neuraleig._random import RandomState
from neuraleig._sklearn import Interval, with_callbacks
from neuraleig._typing import Array, Matrix, Rows
from neuraleig.affinity import Affinity
from neuraleig.estimators._base import (
    EigenfunctionEstimator,
    RowFit,
    unchanged_on_failure,
)
from neuraleig.estimators._evaluation import joined
from neuraleig.estimators._parameters import MAX_GRAPH_ROWS
from neuraleig.networks import TrunkFactory
from neuraleig.training import Callback, Training


class NeuralSpectralEmbedding(EigenfunctionEstimator):
    r"""Laplacian eigenmaps by neural eigenfunctions, with ``transform`` for new rows.

    Rows far from all others neither set the unit of the network inputs nor dominate
    the fit. Their functions are finite, and say little.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of the embedding. The constant eigenfunction is left out, as in
        :class:`sklearn.manifold.SpectralEmbedding`. Few distinct rows, or a narrow
        network, have fewer, of which a ``ConvergenceWarning`` tells.
    affinity, n_neighbors, metric, gamma
        See :class:`NeuralEigenSpectralClustering`.
    network, hidden_sizes, training, max_graph_rows
        See :class:`NeuralEigenSpectralClustering`.
    device, callbacks, checkpoint, n_jobs, verbose, random_state
        See :class:`NeuralEigenSpectralClustering`.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        Embedding of the training rows, equal to ``transform(X)``.
    eigenvalues_ : ndarray of shape (n_components + 1,)
        Rayleigh quotients in the order of the graph's eigenvalues, that of the constant
        first: descending but for what the network errs.
    graph_eigenvalues_ : ndarray of shape (n_components + 1,)
        Exact leading eigenvalues of the graph that the warm start solved for;
        ``eigenvalues_`` with ``init="random"``.
    eigenfunctions_ : Eigenfunctions
        Torch module that ``transform`` calls.
    n_connected_components_ : int
        Connected components of the graph.
    loss_curve_ : list of float
        Loss of every step of fine-tuning.
    n_iter_ : int
        Least squares of the warm start and steps of training: may pass ``max_iter``.
    projection_ : ndarray of shape (n_features, n_projected), float32, or None
        Columns onto which sparse rows are projected, as in
        :class:`NeuralEigenSpectralClustering`; ``None``: rows are used as they are.
    affinity_ : Affinity
        Affinity in use, built.
    novelty_threshold_ : float
        Score (:meth:`score_samples`) that one in a hundred rows like the training rows
        is below.
    device_ : str
        Where the fit ran.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had any.

    See Also
    --------
    NeuralEigenSpectralClustering : Clusters as well.

    References
    ----------
    .. [1] M. Belkin and P. Niyogi, "Laplacian eigenmaps for dimensionality reduction
       and data representation", Neural Computation, 2003.

    Examples
    --------
    >>> from sklearn.datasets import make_swiss_roll
    >>> from neuraleig import NeuralSpectralEmbedding
    >>> X, _ = make_swiss_roll(400, random_state=0)
    >>> embedding = NeuralSpectralEmbedding(random_state=0).fit(X[:300])
    >>> embedding.transform(X[300:]).shape
    (100, 2)
    """

    n_components: int
    embedding_: Array

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **EigenfunctionEstimator._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        affinity: str | Callable[..., ArrayLike] | Affinity = "nearest_neighbors",
        n_neighbors: int | None = None,
        metric: str | None = None,
        gamma: float | None = None,
        network: str | TrunkFactory = "mlp",
        hidden_sizes: Sequence[int] = (256, 128),
        training: Training | None = None,
        max_graph_rows: int = MAX_GRAPH_ROWS,
        device: str = "auto",
        callbacks: Sequence[Callback] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.gamma = gamma
        self.network = network
        self.hidden_sizes = hidden_sizes
        self.training = training
        self.max_graph_rows = max_graph_rows
        self.device = device
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    @with_callbacks
    @ordinary_torch()
    def fit(
        self,
        X: Rows,
        y: None = None,
        *,
        affinity_matrix: Matrix | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn the eigenfunctions.

        Parameters
        ----------
        X : {array-like, sparse matrix}, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all; as for
            :class:`NeuralEigenSpectralClustering`.
        y : None
            Ignored.
        affinity_matrix : array-like or sparse of shape (n_samples, n_samples) or None
            For the precomputed affinities: weights, or distances to neighbours.
        groups : array-like of shape (n_samples,) or None, default=None
            Group of every row, for an affinity that searches neighbours across
            groups.

        Returns
        -------
        self : NeuralSpectralEmbedding
            Fitted. A fit that raises leaves the estimator as it was.

        Raises
        ------
        ValueError
            If a parameter or an input is unusable; before any training.
        FloatingPointError
            If training diverges.
        CheckpointError
            If the checkpoint cannot be written or gone on from.

        Warns
        -----
        GraphWarning
            If the graph falls apart.
        ConvergenceWarning
            If there are fewer eigenfunctions than asked for.
        """
        fit_task = self._begin_fit(X)
        with unchanged_on_failure(self):
            begun = self._start_fit(X, affinity_matrix, groups, fit_task)
            problem = self._row_problem(begun, 1)
            fitted = fit(problem, self._task(problem, begun), begun.run)
            self._store(fitted, problem, begun.run)
            self.affinity_ = begun.affinity
            self.embedding_ = self._embedding(X, begun)
            begun.run.checkpoint.clear()
        fit_task.end()
        return self

    @property
    def _n_learned(self) -> int:
        return self.n_components + 1

    def _task(self, problem: Problem, begun: RowFit) -> Task:
        wanted = self._n_learned
        settings = self._settings(begun.training, problem, begun.run)
        make_network = partial(self._make_network, settings)
        return Task(1, wanted, wanted, settings, make_network)

    def _embedding(self, X: Rows, begun: RowFit) -> Array:
        """Embedding of all rows, by all processes where they hold them."""
        rows = begun.drawn.rows
        if begun.drawn.index is not None:
            return joined(self.iter_transform(X))
        functions, _ = self.eigenfunctions_.evaluate(rows, begun.run.shard)
        return self._shown(functions).astype(rows.dtype, copy=False)

    def _shown(self, functions: Array) -> Array:
        # The constant function tells no rows apart.
        return functions[:, 1:]

    @property
    def _n_features_out(self) -> int:
        return self.eigenfunctions_.n_components - 1
