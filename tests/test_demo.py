"""What the demo computes, and what it writes where."""

import io
import os
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.metrics import pairwise_distances

from neuraleig import GraphWarning, NeuralEigenSpectralClustering
from neuraleig._demo._comparison import (
    MIN_TIMING_SECONDS,
    SpectralClusteringThenNeighbors,
    measure,
    prediction_rate,
    run_demo,
    scoring_graph,
)
from neuraleig._demo._data import DATASETS, Split, load_split
from neuraleig._demo._plots import (
    EMBEDDING_FILE,
    SPECTRUM_FILE,
    draw_embedding,
    draw_spectrum,
    matched_labels,
)
from neuraleig.cli import main
from neuraleig.metrics import clustering_accuracy
from neuraleig.spectrum import suggest_n_clusters
from neuraleig.training import Training


class Known:
    """Method whose labels are the sign of the first column, with an odd numbering."""

    def fit(self, X):
        warnings.warn("as expected", UserWarning, stacklevel=2)
        warnings.warn("as expected", UserWarning, stacklevel=2)
        self.labels_ = self._label(X)
        return self

    def predict(self, X):
        if not hasattr(self, "labels_"):
            raise NotFittedError
        return self._label(X)

    def _label(self, X):
        return np.where(X[:, 0] > 0, 0, 1)


@pytest.fixture(scope="module")
def two_groups():
    generator = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = generator.normal(scale=0.1, size=(60, 3)) + 10 * (y[:, None] - 0.5)
    return Split("two groups", X[:40], X[40:], y[:40], y[40:])


@pytest.fixture(scope="module")
def iris():
    split = load_split("iris", 0)
    model = NeuralEigenSpectralClustering(
        3, training=Training(max_iter=0), random_state=0
    )
    return split, model.fit(split.X_train)


@pytest.mark.parametrize("name", DATASETS)
def test_splits_are_stratified_disjoint_and_have_one_unit(name):
    split = load_split(name, seed=3)
    n_rows = split.y_train.size + split.y_test.size
    assert split.X_train.shape[0] == split.y_train.size
    assert split.y_test.size == pytest.approx(0.3 * n_rows, abs=1)
    shares = [np.bincount(y) / y.size for y in (split.y_train, split.y_test)]
    np.testing.assert_allclose(*shares, atol=0.03)
    assert split.X_train.dtype == split.X_test.dtype == np.float32
    assert split.X_train.std() == pytest.approx(1, rel=1e-5)


def test_split_divides_all_columns_by_the_same_number():
    raw, _ = DATASETS["digits"](0)
    split = load_split("digits", 0)
    factor = raw.max() / max(split.X_train.max(), split.X_test.max())
    every = np.concatenate([split.X_train, split.X_test]) * factor
    np.testing.assert_allclose(
        np.sort(every, axis=0), np.sort(raw, axis=0), rtol=1e-5, atol=1e-5
    )


def test_split_follows_its_seed():
    first, again, other = (load_split("iris", seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.X_test, again.X_test)
    assert not np.array_equal(first.X_test, other.X_test)


def test_scoring_graph_joins_rows_where_either_is_a_neighbour_of_the_other(iris):
    rows = iris[0].X_train
    graph = scoring_graph(rows).toarray()
    distances = pairwise_distances(rows)
    np.fill_diagonal(distances, np.inf)
    reach = np.partition(distances, 9, axis=1)[:, 9]
    # Rows at the very distance of the tenth neighbour may be chosen or not.
    surely = distances < reach[:, None] * (1 - 1e-5)
    maybe = distances <= reach[:, None] * (1 + 1e-5)
    assert set(np.unique(graph)) == {0.0, 1.0}
    np.testing.assert_array_equal(graph, graph.T)
    assert np.all(graph >= (surely | surely.T))
    assert np.all(graph <= (maybe | maybe.T))


def test_measure_scores_what_the_method_says(two_groups):
    pairs = sp.csr_array(np.kron(np.eye(20), [[0.0, 1.0], [1.0, 0.0]]))
    found = measure(Known(), two_groups, pairs)
    assert (found.accuracy, found.nmi) == (1.0, 1.0)
    # Rows alternate between the groups: every edge is cut.
    assert found.ncut == pytest.approx(2.0)
    assert 0 <= found.fit_seconds < 1
    assert found.rows_per_second > two_groups.y_test.size
    assert found.warnings == ("as expected",)


def test_rate_counts_the_rows_of_calls_that_fill_the_time(two_groups):
    class Counting(Known):
        n_calls = 0

        def predict(self, X):
            self.n_calls += 1
            return self._label(X)

    method = Counting()
    rate = prediction_rate(method, two_groups.X_test)
    n_rows = method.n_calls * two_groups.y_test.size
    assert method.n_calls > 1
    assert n_rows / (5 * MIN_TIMING_SECONDS) < rate <= n_rows / MIN_TIMING_SECONDS


def test_peer_labels_new_rows_like_their_neighbours(two_groups):
    # The groups lie apart: scikit-learn warns of a graph that is not connected.
    with pytest.warns(UserWarning, match="not fully connected"):
        peer = SpectralClusteringThenNeighbors(2, 0).fit(two_groups.X_train)
    predicted = peer.predict(two_groups.X_test)
    assert clustering_accuracy(two_groups.y_test, predicted) == 1.0
    np.testing.assert_array_equal(peer.predict(two_groups.X_train), peer.labels_)


def test_demo_silences_peers_and_restores_the_filters():
    out = io.StringIO()
    # Circles are two components, of which SpectralClustering warns.
    run_demo("circles", seed=0, folder=None, out=out)
    assert "connected" not in out.getvalue()
    with pytest.raises(UserWarning, match="still raised"):
        warnings.warn("still raised", UserWarning, stacklevel=1)


def test_demo_passes_on_what_the_own_fit_warns_of(monkeypatch):
    class Alarmed(KMeans):
        def fit(self, X):
            warnings.warn("too many components", GraphWarning, stacklevel=2)
            return super().fit(X)

    monkeypatch.setattr(
        "neuraleig._demo._comparison.NeuralEigenSpectralClustering", Alarmed
    )
    out = io.StringIO()
    run_demo("iris", seed=0, folder=None, out=out)
    assert out.getvalue().count("Note: too many components\n") == 1


def test_table_rests_on_the_seed_alone():
    def scores():
        out = io.StringIO()
        arguments = ["--dataset", "iris", "--no-plots", "--random-state", "5"]
        assert main(["demo", *arguments], out) == 0
        rows = [line.split() for line in out.getvalue().splitlines()]
        return [row[-5:-2] for row in rows if row and row[-1][-1].isdigit()]

    assert scores() == scores()


def test_folder_that_cannot_be_written_to_fails_before_any_fit(
    tmp_path, monkeypatch, capsys
):
    if os.access("/", os.W_OK):
        # A superuser may write anywhere; what the system answers others is played.
        monkeypatch.setattr("neuraleig._demo._comparison.os.access", lambda *_: False)
    tmp_path.chmod(0o500)
    out = io.StringIO()
    assert main(["demo", "--output", str(tmp_path)], out) == 1
    assert out.getvalue() == ""
    errors = capsys.readouterr().err
    assert errors.startswith(f"neuraleig: error: {tmp_path}: cannot be written to")
    assert errors.count("\n") == 1


def test_folder_below_a_file_fails_before_any_fit(tmp_path, capsys):
    (tmp_path / "file").touch()
    out = io.StringIO()
    assert main(["demo", "--output", str(tmp_path / "file" / "sub")], out) == 1
    assert out.getvalue() == ""
    assert capsys.readouterr().err.count("\n") == 1


def test_plots_that_cannot_be_saved_leave_the_table_and_one_line(tmp_path, capsys):
    (tmp_path / EMBEDDING_FILE).write_text("of an earlier run")
    (tmp_path / SPECTRUM_FILE).mkdir()
    out = io.StringIO()
    assert main(["demo", "--dataset", "iris", "--output", str(tmp_path)], out) == 1
    assert "SpectralClustering + 10-NN" in out.getvalue()
    errors = capsys.readouterr().err
    assert SPECTRUM_FILE in errors
    assert errors.count("\n") == 1
    assert (tmp_path / EMBEDDING_FILE).stat().st_size > 10_000


def test_missing_folders_are_made(tmp_path):
    folder = tmp_path / "new" / "folder"
    arguments = ["demo", "--dataset", "iris", "--output", str(folder)]
    assert main(arguments, io.StringIO()) == 0
    assert {path.name for path in folder.iterdir()} == {EMBEDDING_FILE, SPECTRUM_FILE}


def test_matched_labels_are_the_best_renaming():
    classes = np.array([0, 0, 0, 2, 2, 5, 5, 5])
    clusters = np.array([7, 7, 3, 3, 3, 1, 1, 1])
    renamed = matched_labels(classes, clusters)
    np.testing.assert_array_equal(renamed, [0, 0, 2, 2, 2, 5, 5, 5])
    assert np.mean(renamed == classes) == clustering_accuracy(classes, clusters)


def test_matched_labels_give_surplus_clusters_names_of_their_own():
    renamed = matched_labels(np.zeros(4, dtype=int), np.array([0, 1, 1, 2]))
    assert renamed[1] == renamed[2] == 0
    assert len({0, *renamed[[0, 3]]}) == 3


def test_embedding_figure_draws_a_class_alike_on_both_sides(iris):
    split, model = iris
    figure = draw_embedding(model, split)
    left, right = figure.axes
    colours = {
        scatter.get_label(): tuple(scatter.get_facecolor()[0])
        for scatter in right.collections
    }
    for scatter in left.collections:
        assert colours[scatter.get_label()] == tuple(scatter.get_facecolor()[0])
    assert left.get_legend() is None
    assert right.get_legend().get_title().get_text() == "Class"


@pytest.mark.parametrize(("n_clusters", "n_planes"), [(2, 1), (3, 1), (5, 2), (9, 3)])
def test_embedding_figure_has_as_many_planes_as_the_clusters_need(
    iris, n_clusters, n_planes
):
    split, _ = iris
    model = NeuralEigenSpectralClustering(
        n_clusters, training=Training(max_iter=0), random_state=0
    )
    model.fit(split.X_train)
    figure = draw_embedding(model, split)
    assert len(figure.axes) == 2 * n_planes


def test_spectrum_figure_shows_exact_and_learned_eigenvalues(iris):
    split, model = iris
    (axes,) = draw_spectrum(model, split).axes
    lines = {line.get_label(): line for line in axes.lines}
    exact = model.graph_eigenvalues_
    np.testing.assert_array_equal(lines["Exact, of the graph"].get_ydata(), exact)
    np.testing.assert_array_equal(lines["Learned"].get_ydata(), model.eigenvalues_)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert f"Suggested number of clusters: {suggest_n_clusters(exact)}" in texts
    assert "Number of classes: 3" in texts


def test_graph_eigenvalues_bound_the_learned_ones(iris):
    _, model = iris
    exact = model.graph_eigenvalues_
    assert exact.size == 9
    # Ritz values never exceed the eigenvalues of the same graph.
    assert np.all(model.eigenvalues_ <= exact[:3] + 1e-6)
