"""Spectral clustering that predicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from neuraleig._random import RandomState
from neuraleig._sklearn import Interval, StrOptions, with_callbacks
from neuraleig._typing import Matrix, Rows
from neuraleig.affinity import Affinity
from neuraleig.estimators._alignment import find_former
from neuraleig.estimators._base import EigenfunctionEstimator, unchanged_on_failure
from neuraleig.estimators._cluster_fit import ClusterFit
from neuraleig.estimators._cluster_numbers import AUTO
from neuraleig.estimators._parameters import MAX_GRAPH_ROWS
from neuraleig.networks import TrunkFactory
from neuraleig.reading._alignment import warn_of_changes
from neuraleig.reading._fit_discretizer import BY_HEAD
from neuraleig.training import Callback, Training
from neuraleig.training._checkpoint import clearing_deferred


class NeuralEigenSpectralClustering(ClusterFit):
    r"""Spectral clustering by neural eigenfunctions, with ``predict`` for new rows.

    The fit builds a sparse graph of the rows, solves it exactly, teaches a network
    its leading eigenvectors and the labels read off them, and fine-tunes it on edges
    where that leaves something to learn. New rows cost one forward pass.

    Rows far from all others neither set the unit of the network inputs nor dominate
    the fit. Their labels, functions and probabilities are finite, and say little.

    Parameters
    ----------
    n_clusters : int or "auto", default=8
        Number of clusters; ``"auto"``: the best one of ``cluster_curve_``.
    max_clusters : int or None, default=None
        Largest number of ``cluster_curve_``, which also serves ``with_n_clusters``;
        lowered where there are fewer distinct rows. ``None``: 30 with
        ``n_clusters="auto"``, and otherwise no curve.
    n_components : int or None, default=None
        Number of eigenfunctions, the constant one included. ``None``: one per
        cluster, and three with ``assign_labels="kmeans"``. The warm start reads its
        labels from up to three exact ones per cluster; how many is chosen by what
        the labels are worth on the graph.
    affinity : str, callable or Affinity, default="nearest_neighbors"
        - ``"nearest_neighbors"``: sparse graph of nearest neighbours, by
          ``n_neighbors`` and ``metric``.
        - ``"rbf"`` (by ``gamma``), ``"cosine"``: kernels, never stored for all pairs.
        - ``"precomputed"``: ``fit`` takes the ``affinity_matrix``, dense or sparse,
          besides the features, which ``predict`` needs.
        - ``"precomputed_nearest_neighbors"``: the ``affinity_matrix`` holds distances
          to neighbours, as from :class:`sklearn.neighbors.KNeighborsTransformer`.
        - a callable ``f(X, Y)`` that returns weights of shape (n_x, n_y).
        - an object of :mod:`neuraleig.affinity`, whose own parameters hold, such as
          ``NeighborAffinity(weights="binary")``.
    n_neighbors : int or None, default=None
        Neighbours per row of a graph of neighbours, 10 where left open; lowered, with a
        warning, where there are fewer rows. This parameter, ``metric`` and ``gamma``
        are for affinities by name: a value that ``affinity`` does not use, or has
        otherwise as an object, is refused.
    metric : str or None, default=None
        Distance between rows, one of scikit-learn's names, ``"euclidean"`` where left
        open.
    gamma : float or None, default=None
        Inverse squared width of ``"rbf"``, by distances to neighbours where left open.
    assign_labels : str, default="argmax"
        Labels by the assignment head (``"argmax"``), by k-means or pivoted QR on the
        eigenfunctions (``"kmeans"``, ``"cluster_qr"``), or by k-means on the hidden
        features of the network (``"kmeans_hidden"``).
    network : "mlp" or callable, default="mlp"
        A callable takes ``n_features`` and returns an ``nn.Module`` that maps
        (n_rows, n_features) to (n_rows, n_hidden).
    hidden_sizes : tuple of int, default=(256, 128)
        Widths of the layers of ``"mlp"``, all of which the heads see.
    training : Training or None, default=None
        Settings of training; ``None``: ``Training()``. Parameters are reached by
        ``set_params(training__lr=...)`` in either case.
    max_graph_rows : int, default=1_000_000
        Most rows in the graph. Of more rows as many are drawn at random, and the
        others are labelled like new ones. A precomputed affinity is used whole.
    device : str, default="auto"
        ``"auto"`` (CUDA where present) or a name that torch knows.
    callbacks : list of Callback or None, default=None
        Called between the steps, see :class:`neuraleig.training.BaseCallback`.
    checkpoint : str, PathLike or None, default=None
        Folder to which a fit saves its state, and from which the same fit goes on
        if it was interrupted. Removed when the fit is complete.
    n_jobs : int or None, default=None
        Processes of scikit-learn's neighbour search, where that is used.
    verbose : int, default=0
        Lines on stderr: 1, for every stage of the fit; 2, for every epoch, too.
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
        Exact ones of the same graph, but for those of single outliers.
    n_clusters_ : int
        Number of clusters in use: those that have training rows.
    cluster_curve_ : ClusterCurve or None
        Modularity, cut and strength of every number of clusters, see
        :class:`neuraleig.reading.ClusterCurve`; ``None`` where it was not asked for.
    ncut_ : float
        Normalised cut of the training labels on the graph: on the thinned one where
        labels are read off it, see :meth:`~neuraleig.affinity.Graph.thinned`.
    n_connected_components_ : int
        Connected components of the graph, outliers left out.
    cluster_names_ : dict of int to str
        Names given to clusters by :meth:`name_clusters`.
    alignment_ : Alignment or None
        Clusters beside those of the former model, see
        :class:`neuraleig.reading.Alignment`; ``None`` where there was none.
    cluster_shares_ : ndarray of shape (n_found_clusters,)
        Share of the training rows in every cluster.
    mean_confidence_ : float
        Mean largest probability of the rows of the graph, see ``predict_proba``.
    loss_curve_ : list of float
        Loss of every step of fine-tuning.
    n_samples_seen_ : int
        Rows behind the model: of the fit, or of the stream when it was renewed.
    n_iter_ : int
        Least squares of the warm start and steps of training: may pass ``max_iter``.
    projection_ : ndarray of shape (n_features, n_projected), float32, or None
        Columns onto which rows are projected before all else, after a fit to sparse
        rows of more than 128 features: up to 128 right singular vectors of the rows at
        unit length, not centred. Projected rows keep the lengths of the rows. ``None``:
        rows are used as they are.
    affinity_ : Affinity
        Affinity in use, built; ``affinity_.gamma_`` is the width of ``"rbf"``.
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
    NeuralSpectralEmbedding : Eigenfunctions without clusters.
    sklearn.cluster.SpectralClustering : Clusters the rows that it is fitted on.

    Notes
    -----
    Memory beyond ``X`` is O(n (n_neighbors + 3 n_clusters + n_features)) for the n rows
    of the graph, some 5 GB for 1,000,000 x 64 and 20 clusters; no array is n x n beyond
    2,000 rows, or two per eigenvector. Sparse rows count as 128 features, and take
    their entries twice and some blocks of 138 (n + n_features) float64 for the
    projection. Time is that of the neighbour search,
    eigenvectors and training steps.

    Identical rows are one node in a graph of neighbours, which weighs as much as they
    do. Where the graph has more components than clusters, those smaller than a tenth of
    the mean cluster are left out of it.

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
        "n_clusters": [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})],
        "max_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "assign_labels": [StrOptions({*BY_HEAD, "kmeans", "cluster_qr"})],
    }

    def __init__(
        self,
        n_clusters: int | str = 8,
        *,
        max_clusters: int | None = None,
        n_components: int | None = None,
        affinity: str | Callable[..., ArrayLike] | Affinity = "nearest_neighbors",
        n_neighbors: int | None = None,
        metric: str | None = None,
        gamma: float | None = None,
        assign_labels: str = "argmax",
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
        self.n_clusters = n_clusters
        self.max_clusters = max_clusters
        self.n_components = n_components
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.gamma = gamma
        self.assign_labels = assign_labels
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
    def fit(
        self,
        X: Rows,
        y: None = None,
        *,
        affinity_matrix: Matrix | None = None,
        groups: ArrayLike | None = None,
        align_to: Self | str | PathLike[str] | None = None,
    ) -> Self:
        """Learn eigenfunctions and clusters.

        Parameters
        ----------
        X : {array-like, sparse matrix}, sliceable or iterable of batches
            Rows, of shape (n_samples, n_features) in all. Memory maps, arrays on disk
            that can be sliced (zarr, h5py) and ``DataLoader`` are never loaded
            beyond ``max_graph_rows`` rows. Those that shuffle give ``labels_`` in
            the order of their last pass. Sparse rows of more than 128 features are
            projected, see ``projection_``; narrower ones are made dense.
        y : None
            Ignored.
        affinity_matrix : array-like or sparse of shape (n_samples, n_samples) or None
            Weights, or distances to neighbours, for the precomputed affinities.
        groups : array-like of shape (n_samples,) or None, default=None
            Group of every row, such as its batch or site, for an affinity that
            searches neighbours across groups. Predictions need none.
        align_to : NeuralEigenSpectralClustering, str, PathLike or None, default=None
            Fitted model of the same features, or its file, whose numbers of clusters
            this fit takes over: a cluster has the number of the former one that shares
            most rows of the graph with it, under the best one-to-one map. Numbers are
            0 to ``n_clusters_ - 1`` nevertheless: a cluster without a partner takes
            one that is free, and so does a cluster whose former number is too large.
            Names of the same clusters are taken over, too. The clusters of
            ``with_n_clusters`` are numbered likewise.

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
        AlignmentWarning
            If clusters are new or lost beside those of ``align_to``.
        """
        former = find_former(self, align_to, NeuralEigenSpectralClustering)
        # Warnings may be errors: the checkpoint stays for a refit.
        with unchanged_on_failure(self), clearing_deferred():
            self._fit(X, affinity_matrix, groups, self._row_problem, former)
            warn_of_changes(self.alignment_)
        return self
