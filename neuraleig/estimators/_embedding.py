"""Spectral embedding that transforms new rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from neuraleig._random import RandomState
from neuraleig._sklearn import Interval, with_callbacks
from neuraleig._typing import Array, Matrix, Rows
from neuraleig.affinity import EdgeWeights, NeighborBackend
from neuraleig.estimators._base import (
    MAX_GRAPH_ROWS,
    EigenfunctionEstimator,
    unchanged_on_failure,
)
from neuraleig.estimators._evaluation import joined
from neuraleig.estimators._fit import Task
from neuraleig.estimators._start import FitStart
from neuraleig.networks import Head, TrunkFactory
from neuraleig.training import Callback, OptimizerName, Precision


class NeuralSpectralEmbedding(EigenfunctionEstimator):
    r"""Laplacian eigenmaps by neural eigenfunctions, with ``transform`` for new rows.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of the embedding. The constant eigenfunction is left out, as in
        :class:`sklearn.manifold.SpectralEmbedding`. Few distinct rows, or a narrow
        network, have fewer, of which a ``ConvergenceWarning`` tells.
    affinity, n_neighbors, metric, neighbor_backend, approximate_neighbors
        See :class:`NeuralEigenSpectralClustering`.
    edge_weights, gamma, regularization
        See :class:`NeuralEigenSpectralClustering`.
    max_graph_rows, init, objective, sampling, walk_length
        See :class:`NeuralEigenSpectralClustering`.
    network, hidden_sizes, head
        See :class:`NeuralEigenSpectralClustering`.
    max_iter, batch_size, lr, optimizer, early_stopping, validation_fraction
        See :class:`NeuralEigenSpectralClustering`.
    n_iter_no_change, tol, device, precision, compile, callbacks, checkpoint
        See :class:`NeuralEigenSpectralClustering`.
    checkpoint_interval, verbose, n_jobs, random_state
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
    gamma_ : float
        Inverse squared width of ``affinity="rbf"``.
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
        affinity: str | Callable[..., ArrayLike] = "nearest_neighbors",
        n_neighbors: int = 10,
        metric: str = "euclidean",
        neighbor_backend: NeighborBackend = "auto",
        approximate_neighbors: bool | None = None,
        edge_weights: EdgeWeights = "self_tuning",
        gamma: float | None = None,
        regularization: float = 0.0,
        max_graph_rows: int = MAX_GRAPH_ROWS,
        init: str = "spectral",
        objective: str = "rayleigh",
        sampling: str = "auto",
        walk_length: int = 1,
        network: str | TrunkFactory = "mlp",
        hidden_sizes: Sequence[int] = (256, 128),
        head: Head = "linear",
        max_iter: int | None = None,
        batch_size: int = 512,
        lr: float = 3e-3,
        optimizer: OptimizerName = "muon",
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        device: str = "auto",
        precision: Precision = "auto",
        compile: bool = False,
        callbacks: Sequence[Callback] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_interval: int = 100,
        verbose: int = 0,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.neighbor_backend = neighbor_backend
        self.approximate_neighbors = approximate_neighbors
        self.edge_weights = edge_weights
        self.gamma = gamma
        self.regularization = regularization
        self.max_graph_rows = max_graph_rows
        self.init = init
        self.objective = objective
        self.sampling = sampling
        self.walk_length = walk_length
        self.network = network
        self.hidden_sizes = hidden_sizes
        self.head = head
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.lr = lr
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.device = device
        self.precision = precision
        self.compile = compile
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.checkpoint_interval = checkpoint_interval
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.random_state = random_state

    @with_callbacks
    def fit(
        self, X: Rows, y: None = None, *, affinity_matrix: Matrix | None = None
    ) -> Self:
        """Learn the eigenfunctions.

        Parameters
        ----------
        X : array-like, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all; as for
            :class:`NeuralEigenSpectralClustering`.
        y : None
            Ignored.
        affinity_matrix : array-like or sparse of shape (n_samples, n_samples) or None
            For the precomputed affinities: weights, or distances to neighbours.

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
            start = self._start_fit(X, affinity_matrix, fit_task)
            wanted = self.n_components + 1
            task = Task(n_clusters=1, n_components=wanted, n_read=wanted)
            self._store(self._fit_functions(start, task))
            self.embedding_ = self._embedding(X, start)
            start.supervision.checkpoint.clear()
        fit_task.end()
        return self

    def _embedding(self, X: Rows, start: FitStart) -> Array:
        """Embedding of all rows, by all processes where they hold them."""
        rows = start.drawn.rows
        if start.drawn.index is not None:
            return joined(self.iter_transform(X))
        functions, _ = self.eigenfunctions_.evaluate(rows, start.shard)
        return self._shown(functions).astype(rows.dtype, copy=False)

    def _shown(self, functions: Array) -> Array:
        # The constant function tells no rows apart.
        return functions[:, 1:]

    @property
    def _n_features_out(self) -> int:
        return self.eigenfunctions_.n_components - 1
