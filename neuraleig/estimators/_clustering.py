"""Spectral clustering that predicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from neuraleig._random import RandomState
from neuraleig._sklearn import Interval, StrOptions, with_callbacks
from neuraleig._typing import Matrix, Rows
from neuraleig._validation import check_n_clusters, check_temperature
from neuraleig.affinity import EdgeWeights, NeighborBackend
from neuraleig.estimators._base import (
    MAX_GRAPH_ROWS,
    EigenfunctionEstimator,
    unchanged_on_failure,
)
from neuraleig.estimators._fit import Task
from neuraleig.estimators._labels import (
    fit_discretizer,
    labels_of,
    warn_of_dead_clusters,
)
from neuraleig.estimators._stream import StreamClusterer
from neuraleig.metrics import normalized_cut
from neuraleig.networks import ASSIGNMENTS, Assignment, Head, TrunkFactory
from neuraleig.spectrum import suggest_n_clusters
from neuraleig.training import Callback, OptimizerName, Precision

# Eigenfunctions per cluster that labels are read from, where n_components is open.
# As many as readings are tried with, see FUNCTIONS_PER_CLUSTER.
READ_PER_CLUSTER = 3


class NeuralEigenSpectralClustering(StreamClusterer):
    r"""Spectral clustering by neural eigenfunctions, with ``predict`` for new rows.

    The fit builds a sparse graph of the rows, solves it exactly, teaches a network
    its leading eigenvectors and the labels read off them, and fine-tunes it on edges
    where that leaves something to learn. New rows cost one forward pass.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    n_components : int or None, default=None
        Number of eigenfunctions, the constant one included. ``None``: one per
        cluster, and three with ``assign_labels="kmeans"``. The warm start reads its
        labels from up to three exact ones per cluster; how many is chosen by what
        the labels are worth on the graph.
    diffusion_time : float, default=10.0
        Labels are read off eigenfunctions weighted by :math:`\lambda^t`, or by a
        smaller :math:`t` where less than 0.3 would be left of the leading one.
    affinity : str or callable, default="nearest_neighbors"
        - ``"nearest_neighbors"``: sparse graph of nearest neighbours.
        - ``"rbf"``, ``"cosine"``: kernels, never stored for all pairs.
        - ``"precomputed"``: ``fit`` takes the ``affinity_matrix``, dense or sparse,
          besides the features, which ``predict`` needs.
        - ``"precomputed_nearest_neighbors"``: the ``affinity_matrix`` holds distances
          to neighbours, as from :class:`sklearn.neighbors.KNeighborsTransformer`.
        - a callable ``f(X, Y)`` that returns weights of shape (n_x, n_y).
    n_neighbors : int, default=10
        Neighbours per row; lowered, with a warning, where there are fewer rows.
    metric : str, default="euclidean"
        Distance between rows, one of scikit-learn's names. Those of yes and no, such
        as ``"jaccard"``, take all but 0 for yes; ``"haversine"`` needs two columns.
    neighbor_backend : {"auto", "torch", "faiss", "sklearn"}, default="auto"
        Who searches neighbours, where rows are to be searched for the graph;
        ``"faiss"`` needs the extra of that name.
    approximate_neighbors : bool or None, default=None
        ``None``: exact up to 50,000 rows, less of wide ones; at least 99 % of the
        neighbours beyond, measured on a sample and reported under ``verbose``.
    edge_weights : {"self_tuning", "heat", "binary"}, default="self_tuning"
        Edges weigh :math:`\exp(-d_{ij}^2 / s_i s_j)` by local scales, by one, or 1.
    gamma : float or None, default=None
        Inverse squared width of ``"rbf"``. ``None``: from distances to neighbours.
    regularization : float, default=0.0
        Share of random pairs that is added to the graph; it connects components.
    max_graph_rows : int, default=1_000_000
        Most rows in the graph. Of more rows as many are drawn at random, and the
        others are labelled like new ones. A precomputed affinity is used whole.
    init : {"spectral", "random"}, default="spectral"
        Start from exact eigenvectors and labels, or from random weights without any
        eigensolver, which ``assign_labels="kmeans"`` suits better.
    objective : {"rayleigh", "neuralef", "nested_low_rank"}, default="rayleigh"
        Objective of the eigenfunctions.
    label_objective : {"normalized_cut", "neuralef"}, default="normalized_cut"
        Objective of the soft assignments; ``"neuralef"`` is the published one.
    assign_labels : {"argmax", "kmeans", "cluster_qr"}, default="argmax"
        Labels by the assignment head, or k-means or pivoted QR on eigenfunctions.
    sampling : {"auto", "edges", "nodes"}, default="auto"
        Train on edges drawn by weight (``"auto"``, but for kernels) or on rows.
    walk_length : int, default=1
        Steps of the random walk that joins the two rows of a sampled edge.
    network : "mlp" or callable, default="mlp"
        A callable takes ``n_features`` and returns an ``nn.Module`` that maps
        (n_rows, n_features) to (n_rows, n_hidden).
    hidden_sizes : tuple of int, default=(256, 128)
        Widths of the layers of ``"mlp"``, all of which the heads see.
    head : {"linear", "orthogonal"}, default="linear"
        Last layers of the network.
    assignment : {"softmax", "gumbel_softmax"}, default="softmax"
        Soft assignments in training; ``"gumbel_softmax"`` is the published one.
    temperature : tuple of two floats, default=(1.0, 1.0)
        Temperature of the soft assignments at the first and last step.
    max_iter : int or None, default=None
        Most steps of fine-tuning. ``None``: 1,000 with ``init="random"``; else 300 (25
        passes for ``"argmax"``), or none where the warm start has learned its targets.
    batch_size : int, default=512
        Rows per step: half as many edges, or twice those of the warm start.
    lr : float, default=3e-3
        Highest learning rate of fine-tuning, which falls along a cosine.
    optimizer : {"muon", "adam"}, default="muon"
        Muon orthogonalises the steps of hidden layers; the rest goes by Adam.
    early_stopping : bool, default=True
        Keep the best state by held-out edges (at least 256); stop without progress.
    validation_fraction : float, default=0.1
        Share of the edges (of the rows, for kernels) that is held out.
    n_iter_no_change : int, default=10
        Evaluations, every 50 steps, without improvement that are let pass.
    tol : float, default=1e-4
        Relative improvement that counts.
    device : str, default="auto"
        ``"auto"`` (CUDA where present) or a name that torch knows.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Type of the trunk's products in training; ``"auto"`` is float32.
    compile : bool, default=False
        Compile the forward passes of training; it did not pay on CPUs.
    callbacks : list of Callback or None, default=None
        Called between the steps, see :class:`neuraleig.training.BaseCallback`.
    checkpoint : str, PathLike or None, default=None
        Folder to which a fit saves its state, and from which the same fit goes on
        if it was interrupted. Removed when the fit is complete.
    checkpoint_interval : int, default=100
        Steps of fine-tuning between two saves, at least.
    verbose : int, default=0
        Lines on stderr: 1, for every stage of the fit; 2, for every epoch, too.
    n_jobs : int or None, default=None
        Processes of scikit-learn's neighbour search, where that is used.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is drawn.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int64
        Labels of the training rows, equal to ``predict(X)``.
    eigenvalues_ : ndarray of shape (n_components,)
        Rayleigh quotients of the learned functions, the first being 1, in the order
        of the graph's eigenvalues: descending but for what the network errs.
    eigenfunctions_ : Eigenfunctions
        Torch module that ``transform`` and ``predict`` call.
    graph_eigenvalues_ : ndarray
        Exact ones of the graph, but for those of single outliers.
    suggested_n_clusters_ : int
        Number of clusters before the largest gap of ``graph_eigenvalues_``.
    ncut_ : float
        Normalised cut of the training labels on the graph.
    n_connected_components_ : int
        Connected components of the graph, outliers left out.
    loss_curve_ : list of float
        Loss of every step of fine-tuning.
    n_samples_seen_ : int
        Rows behind the model: of the fit, or of the stream when it was renewed.
    n_iter_ : int
        Least squares of the warm start and steps of training: may pass ``max_iter``.
    gamma_ : float
        Inverse squared width in use; only with ``affinity="rbf"``.
    device_ : str
        Where the fit ran.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had any.

    See Also
    --------
    NeuralSpectralEmbedding : Eigenfunctions without clusters.
    sklearn.cluster.SpectralClustering : Clusters the rows that it is fitted on.

    Notes
    -----
    Memory beyond ``X`` is O(n (n_neighbors + 3 n_clusters + n_features)) for the n rows
    of the graph, some 5 GB for 1,000,000 x 64 and 20 clusters; no array is n x n beyond
    2,000 rows, or two per eigenvector. Time is that of the neighbour search,
    eigenvectors and training steps.

    Identical rows count once in a graph of neighbours. Where it has more components
    than clusters, those smaller than a tenth of the mean cluster are left out of it.

    References
    ----------
    .. [1] Z. Deng and Y. Luo, "Learning neural eigenfunctions for unsupervised
       semantic segmentation", ICCV 2023.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from neuraleig import NeuralEigenSpectralClustering
    >>> from neuraleig.metrics import clustering_accuracy
    >>> X, y = make_moons(600, noise=0.05, random_state=0)
    >>> model = NeuralEigenSpectralClustering(2, random_state=0).fit(X[:400])
    >>> clustering_accuracy(y[400:], model.predict(X[400:]))
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **EigenfunctionEstimator._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "diffusion_time": [Interval(Real, 0, None, closed="left")],
        "label_objective": [StrOptions({"normalized_cut", "neuralef"})],
        "assign_labels": [StrOptions({"argmax", "kmeans", "cluster_qr"})],
        "assignment": [StrOptions(set(ASSIGNMENTS))],
        "temperature": [tuple, list],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_components: int | None = None,
        diffusion_time: float = 10.0,
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
        label_objective: str = "normalized_cut",
        assign_labels: str = "argmax",
        sampling: str = "auto",
        walk_length: int = 1,
        network: str | TrunkFactory = "mlp",
        hidden_sizes: Sequence[int] = (256, 128),
        head: Head = "linear",
        assignment: Assignment = "softmax",
        temperature: tuple[float, float] = (1.0, 1.0),
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
        self.n_clusters = n_clusters
        self.n_components = n_components
        self.diffusion_time = diffusion_time
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
        self.label_objective = label_objective
        self.assign_labels = assign_labels
        self.sampling = sampling
        self.walk_length = walk_length
        self.network = network
        self.hidden_sizes = hidden_sizes
        self.head = head
        self.assignment = assignment
        self.temperature = temperature
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
        """Learn eigenfunctions and clusters.

        Parameters
        ----------
        X : array-like, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all. Memory maps, arrays on disk
            that can be sliced (zarr, h5py) and ``DataLoader`` are never loaded
            beyond ``max_graph_rows`` rows. Those that shuffle give ``labels_`` in
            the order of their last pass.
        y : None
            Ignored.
        affinity_matrix : array-like or sparse of shape (n_samples, n_samples) or None
            Weights, or distances to neighbours, for the precomputed affinities.

        Returns
        -------
        self : NeuralEigenSpectralClustering
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
            If the graph falls apart into more components than clusters.
        ConvergenceWarning
            If fewer clusters than asked for have rows, or fewer eigenfunctions than
            ``n_components`` were found.
        """
        fit_task = self._begin_fit(X)
        with unchanged_on_failure(self):
            start = self._start_fit(X, affinity_matrix, fit_task)
            rows, shard = start.drawn.rows, start.shard
            are_drawn = start.drawn.index is not None
            check_n_clusters(self.n_clusters, rows.shape[0], are_drawn=are_drawn)
            fitted = self._fit_functions(start, self._task())
            functions, logits = fitted.eigenfunctions.evaluate(rows, shard)
            discretizer = shard.first(
                lambda: fit_discretizer(
                    self.assign_labels,
                    fitted.problem.graph,
                    fitted.eigenfunctions.eigenvalues.cpu().numpy(),
                    functions,
                    logits,
                    n_clusters=self.n_clusters,
                    diffusion_time=self.diffusion_time,
                    seed=start.seeds.labels,
                )
            )
            self._store(fitted)
            self._stream = None
            self._discretizer = discretizer
            self.n_samples_seen_ = start.drawn.n_rows
            labels = labels_of(discretizer, functions, logits)
            self.labels_ = labels if start.drawn.index is None else self.predict(X)
            self.suggested_n_clusters_ = suggest_n_clusters(self.graph_eigenvalues_)
            graph = fitted.problem.graph
            self.ncut_ = normalized_cut(
                graph.weights, labels[graph.index], uniform=graph.uniform
            )
            warn_of_dead_clusters(self.labels_, self.n_clusters)
            start.supervision.checkpoint.clear()
        fit_task.end()
        return self

    def _task(self) -> Task:
        read = self.n_components or READ_PER_CLUSTER * self.n_clusters
        learned = read if self.assign_labels == "kmeans" else self.n_clusters
        return Task(
            n_clusters=self.n_clusters,
            # One besides the constant is the least that can be learned.
            n_components=self.n_components or max(learned, 2),
            n_read=read,
            diffusion_time=self.diffusion_time,
            label_objective=self.label_objective,
            assignment=self.assignment,
            temperature=check_temperature(self.temperature),
            labels_by_head=self.assign_labels == "argmax",
        )
