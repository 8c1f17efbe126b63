"""The methods that are compared, each as ``fit_predict(train, test)`` with timings."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import scipy.sparse as sp
from datasets import Dataset
from scipy.sparse.linalg import eigsh
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph
from sklearn.pipeline import make_pipeline

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.affinity import Graph, NeighborAffinity
from neuraleig.metrics import clustering_accuracy, normalized_cut
from neuraleig.spectrum import graph_spectrum


@dataclass(frozen=True)
class Result:
    """Labels of one method on one split, and what they took."""

    train_labels: np.ndarray
    test_labels: np.ndarray
    fit_seconds: float
    predict_seconds: float
    predict: Callable[[np.ndarray], np.ndarray]
    model: Any = None


Method = Callable[[Dataset, int], Result]


def kmeans(data: Dataset, seed: int) -> Result:
    """KMeans with ten starts."""
    model = KMeans(data.n_classes, n_init=10, random_state=seed)
    return _timed(model.fit, data, lambda X: model.predict(X), lambda: model.labels_)


def spectral_knn(data: Dataset, seed: int, solver: str = "arpack") -> Result:
    """scikit-learn's SpectralClustering and a 10-NN classifier for new rows."""
    model = SpectralClustering(
        data.n_classes,
        affinity="nearest_neighbors",
        n_neighbors=10,
        eigen_solver=solver,
        random_state=seed,
    )
    classifier = KNeighborsClassifier(10)

    def fit(X: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # disconnected graphs, tiny fits
            classifier.fit(X, model.fit(X).labels_)

    return _timed(fit, data, classifier.predict, lambda: model.labels_)


def exact_knn(data: Dataset, seed: int) -> Result:
    """Exact eigenvectors of our graph, k-means (n_init=10), a 10-NN classifier."""
    classifier = KNeighborsClassifier(10)
    labels = np.empty(0, dtype=int)

    def fit(X: np.ndarray) -> None:
        nonlocal labels
        graph = NeighborAffinity(weights="binary").build(X, seed=seed)
        spectrum = graph_spectrum(
            graph.weights,
            data.n_classes,
            component_labels=graph.component_labels,
            tol=1e-6,
        )
        rows = spectrum.functions
        labels = KMeans(data.n_classes, n_init=10, random_state=seed).fit_predict(rows)
        classifier.fit(X[graph.index], labels)
        if graph.n_nodes < len(X):
            labels = classifier.predict(X)

    return _timed(fit, data, classifier.predict, lambda: labels)


def exact_knn_by_parts(data: Dataset, seed: int) -> Result:
    """Spectral clustering of scikit-learn's and scipy's parts alone.

    What a user without this library would write: an exact graph of neighbours, the
    leading eigenvectors of the normalised affinity by ARPACK (to 1e-6, as in
    :func:`exact_knn`), k-means, 10-NN.
    """
    classifier = KNeighborsClassifier(10)
    clusters = KMeans(data.n_classes, n_init=10, random_state=seed)

    def fit(X: np.ndarray) -> None:
        directed = kneighbors_graph(X, 10)
        graph = (directed + directed.T) / 2
        scale = sp.diags_array(1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel()))
        start = np.random.default_rng(seed).uniform(size=len(X))
        _, vectors = eigsh(
            scale @ graph @ scale, data.n_classes, which="LA", v0=start, tol=1e-6
        )
        classifier.fit(X, clusters.fit_predict(scale @ vectors))

    return _timed(fit, data, classifier.predict, lambda: clusters.labels_)


def umap_kmeans(data: Dataset, seed: int) -> Result:
    """k-means (n_init=10) on two coordinates of UMAP, which maps new rows."""
    reducer = _umap(seed)
    clusters = KMeans(data.n_classes, n_init=10, random_state=seed)

    def fit(X: np.ndarray) -> None:
        clusters.fit(reducer.fit_transform(X))

    def predict(X: np.ndarray) -> np.ndarray:
        return clusters.predict(reducer.transform(X))

    return _timed(fit, data, predict, lambda: clusters.labels_)


def umap_hdbscan(data: Dataset, seed: int) -> Result:
    """HDBSCAN on two coordinates of UMAP; it is not told the number of clusters.

    Clusters have a hundredth of the rows at least. Noise counts as a cluster.
    """
    hdbscan = import_module("hdbscan")
    reducer, size = _umap(seed), max(5, len(data.X_train) // 100)
    clusters = hdbscan.HDBSCAN(min_cluster_size=size, prediction_data=True)

    def fit(X: np.ndarray) -> None:
        # As float64, which the trees of its predictions need.
        clusters.fit(reducer.fit_transform(X).astype(float))

    def predict(X: np.ndarray) -> np.ndarray:
        rows = reducer.transform(X).astype(float)
        return hdbscan.approximate_predict(clusters, rows)[0]

    return _timed(fit, data, predict, lambda: clusters.labels_)


def _umap(seed: int) -> Any:
    """UMAP with its defaults but for ``min_dist``, as its manual has it for clusters.

    With a seed it uses one thread; with several threads it has none.
    """
    umap, numba = import_module("umap"), import_module("numba")
    alone = numba.get_num_threads() == 1
    return umap.UMAP(
        min_dist=0.0,
        random_state=seed if alone else None,
        n_jobs=1 if alone else -1,
    )


def leiden_knn(data: Dataset, seed: int) -> Result:
    """Leiden communities of the 10-NN graph by modularity, and a 10-NN classifier.

    It is not told the number of clusters.
    """
    igraph, leidenalg = import_module("igraph"), import_module("leidenalg")
    classifier = KNeighborsClassifier(10)
    labels = np.empty(0, dtype=int)

    def fit(X: np.ndarray) -> None:
        nonlocal labels
        directed = kneighbors_graph(X, 10)
        edges = sp.triu(directed + directed.T).tocoo()
        pairs = np.stack([edges.row, edges.col], axis=1)
        graph = igraph.Graph(n=len(X), edges=pairs.tolist())
        found = leidenalg.find_partition(
            graph,
            leidenalg.ModularityVertexPartition,
            weights=edges.data.tolist(),
            seed=seed,
        )
        labels = np.asarray(found.membership)
        classifier.fit(X, labels)

    return _timed(fit, data, classifier.predict, lambda: labels)


def nystroem(data: Dataset, seed: int) -> Result:
    """k-means (n_init=10) on Nystroem's features of a Gaussian kernel.

    100 landmarks, as is scikit-learn's default. Its width is the median distance
    between 1,000 random rows: ``gamma = 1 / (2 median^2)``.
    """
    n_rows = len(data.X_train)
    clusters = KMeans(data.n_classes, n_init=10, random_state=seed)
    model: Any = None

    def fit(X: np.ndarray) -> None:
        nonlocal model
        rng = np.random.default_rng(seed)
        sample = X[np.sort(rng.choice(n_rows, min(1000, n_rows), replace=False))]
        distances = pdist(sample)
        gamma = 1 / (2 * np.median(distances[distances > 0]) ** 2)
        features = Nystroem(
            gamma=gamma, n_components=min(100, n_rows), random_state=seed
        )
        model = make_pipeline(features, clusters).fit(X)

    return _timed(fit, data, lambda X: model.predict(X), lambda: clusters.labels_)


def ours(**parameters: Any) -> Method:
    """Our estimator with everything default but what is named."""

    def method(data: Dataset, seed: int) -> Result:
        model = NeuralEigenSpectralClustering(
            data.n_classes, random_state=seed
        ).set_params(**parameters)
        return _timed(model.fit, data, model.predict, lambda: model.labels_, model)

    return method


def _timed(
    fit: Callable[[np.ndarray], Any],
    data: Dataset,
    predict: Callable[[np.ndarray], np.ndarray],
    labels: Callable[[], np.ndarray],
    model: Any = None,
) -> Result:
    start = time.perf_counter()
    fit(data.X_train)
    fitted = time.perf_counter()
    test_labels = predict(data.X_test)
    done = time.perf_counter()
    seconds = fitted - start, done - fitted
    return Result(labels(), test_labels, *seconds, predict, model)


def fit_only(method: Method, data: Dataset, seed: int) -> float:
    """Seconds of the fit, without the prediction of more than one row."""
    first = slice(1)
    short = replace(data, X_test=data.X_test[first], y_test=data.y_test[first])
    return method(short, seed).fit_seconds


def measures(data: Dataset, result: Result, graph: Graph) -> dict[str, float]:
    """Agreement with the classes, and the cut of the training labels on one graph."""
    train = agreement(data.y_train, result.train_labels)
    return {
        **{f"train_{key}": value for key, value in train.items()},
        **agreement(data.y_test, result.test_labels),
        "ncut": cut(graph, result.train_labels),
        "fit_seconds": result.fit_seconds,
        "predict_seconds": result.predict_seconds,
    }


def agreement(classes: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """How far labels agree with classes."""
    return {
        "acc": clustering_accuracy(classes, labels),
        "nmi": float(normalized_mutual_info_score(classes, labels)),
        "ari": float(adjusted_rand_score(classes, labels)),
    }


def cut(graph: Graph, labels: np.ndarray) -> float:
    """Normalised cut of the labels of all training rows."""
    at_nodes = np.unique(labels[graph.index], return_inverse=True)[1]
    return normalized_cut(graph.weights, at_nodes)
