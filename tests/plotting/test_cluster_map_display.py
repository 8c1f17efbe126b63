"""The map of all eigenfunctions: neighbours are kept, and rows have their places."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering
from neuraleig.plotting import ClusterMapDisplay
from neuraleig.plotting import _layout as layouts
from neuraleig.training import Training


@pytest.fixture(scope="module")
def functions():
    """Ten groups in nine dimensions, as far from each other."""
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 30)
    rows = np.eye(10)[groups, :9] * 5 + 0.3 * generator.normal(size=(300, 9))
    return rows, groups


@pytest.fixture(scope="module")
def drawn(functions):
    return ClusterMapDisplay.from_predictions(*functions, random_state=0)


def own_share(places, labels, n_neighbors=10):
    """Share of the neighbours of a row that have its label."""
    search = NearestNeighbors(n_neighbors=n_neighbors + 1).fit(places)
    nearest = search.kneighbors(places, return_distance=False)[:, 1:]
    return (labels[nearest] == labels[:, None]).mean()


def test_no_cluster_hides_another(functions, drawn):
    assert own_share(drawn.coordinates, functions[1]) > 0.99
    # Two of the functions show a few clusters, and the others in one lump.
    assert own_share(functions[0][:, :2], functions[1]) < 0.5


def test_clusters_of_digits_are_apart():
    X, _ = load_digits(return_X_y=True)
    X = X / X.std()
    model = NeuralEigenSpectralClustering(
        10, training=Training(max_iter=0), random_state=0
    ).fit(X[:800])
    seen = ClusterMapDisplay.from_estimator(model, X[:800], random_state=0)
    assert own_share(seen.coordinates, seen.labels) > 0.95
    later = ClusterMapDisplay.from_estimator(model, X[800:1200], layout=seen)
    np.testing.assert_array_equal(later.labels, model.predict(X[800:1200]))
    # New rows lie among the rows of their clusters.
    search = NearestNeighbors(n_neighbors=5).fit(seen.coordinates)
    nearest = search.kneighbors(later.coordinates, return_distance=False)
    assert (seen.labels[nearest] == later.labels[:, None]).mean() > 0.9


def test_rows_of_the_map_have_their_places_in_any_company(functions, drawn):
    rows = functions[0]
    again = ClusterMapDisplay.from_predictions(rows[::-7], layout=drawn)
    np.testing.assert_allclose(again.coordinates, drawn.coordinates[::-7], atol=1e-9)
    new = np.concatenate([rows[5:6] + 0.01, rows[200:]])
    company = ClusterMapDisplay.from_predictions(new, layout=drawn)
    alone = ClusterMapDisplay.from_predictions(new[:1], layout=drawn)
    np.testing.assert_allclose(alone.coordinates, company.coordinates[:1], rtol=1e-9)
    # The places of a layout are those of the map.
    np.testing.assert_array_equal(alone.anchors, drawn.anchors)


def test_a_place_is_the_weighted_mean_of_the_nearest():
    anchors = np.array([[0.0], [3.0], [100.0], [101.0], [102.0], [1e6]])
    places = np.arange(12.0).reshape(6, 2)
    layout = layouts.Layout(anchors, places)
    weights = np.array([1, 2, 99, 100, 101.0]) ** -2.0
    expected = weights @ places[:5] / weights.sum()
    np.testing.assert_allclose(layout.place(np.array([[1.0]])), [expected])
    np.testing.assert_array_equal(layout.place(anchors), places)


def test_the_order_of_the_rows_and_copies_have_no_effect(functions, drawn):
    rows, labels = functions
    order = np.random.default_rng(1).permutation(300)
    moved = ClusterMapDisplay.from_predictions(
        rows[order], labels[order], random_state=0
    )
    np.testing.assert_array_equal(moved.coordinates, drawn.coordinates[order])
    copied = ClusterMapDisplay.from_predictions(
        np.concatenate([rows, rows]), random_state=0
    )
    np.testing.assert_array_equal(copied.coordinates[:300], drawn.coordinates)
    np.testing.assert_array_equal(copied.coordinates[300:], drawn.coordinates)


def test_equal_seeds_give_equal_maps(functions, drawn):
    again = ClusterMapDisplay.from_predictions(*functions, random_state=0)
    np.testing.assert_array_equal(again.coordinates, drawn.coordinates)
    other = ClusterMapDisplay.from_predictions(*functions, random_state=1)
    assert not np.array_equal(other.coordinates, drawn.coordinates)


def test_many_rows_are_placed_between_some(monkeypatch, functions):
    monkeypatch.setattr(layouts, "N_ANCHORS", 100)
    rows, labels = functions
    display = ClusterMapDisplay.from_predictions(rows, labels, random_state=0)
    assert display.anchors.shape == (100, 9)
    assert display.coordinates.shape == (300, 2)
    assert own_share(display.coordinates, labels) > 0.95
    low, high = (f(display.anchor_coordinates, axis=0) for f in (np.min, np.max))
    assert (display.coordinates >= low).all() and (display.coordinates <= high).all()


def test_it_is_drawn_by_one_thread(monkeypatch, functions):
    from threadpoolctl import threadpool_info

    seen = []

    class Watched(TSNE):
        def fit_transform(self, X, y=None):
            seen.extend(
                pool["num_threads"]
                for pool in threadpool_info()
                if pool["user_api"] == "openmp"
            )
            return super().fit_transform(X)

    monkeypatch.setattr(layouts, "TSNE", Watched)
    ClusterMapDisplay.from_predictions(functions[0][:20], random_state=0)
    assert set(seen) == {1}


@pytest.mark.parametrize("n_rows", [1, 2, 4, 5, 9])
@pytest.mark.parametrize("n_functions", [1, 2, 6])
def test_few_rows_and_functions_have_a_map(n_rows, n_functions):
    rows = np.random.default_rng(0).normal(size=(n_rows, n_functions))
    display = ClusterMapDisplay.from_predictions(rows, random_state=0)
    assert np.isfinite(display.coordinates).all()
    assert len(np.unique(display.coordinates, axis=0)) == n_rows


def test_equal_rows_have_one_place():
    display = ClusterMapDisplay.from_predictions(np.ones((30, 3)), random_state=0)
    assert len(np.unique(display.coordinates, axis=0)) == 1


def test_labels_stand_on_rows_of_theirs(functions, drawn):
    labels = functions[1]
    assert [text.get_text() for text in drawn.texts_] == [str(n) for n in range(10)]
    for label, text in enumerate(drawn.texts_):
        own = drawn.coordinates[labels == label]
        assert (own == text.get_position()).all(axis=1).any()


def test_the_label_of_two_parts_is_in_one():
    generator = np.random.default_rng(0)
    places = generator.normal(size=(1200, 2))
    places[600:, 0] += 50
    display = ClusterMapDisplay(
        places,
        labels=np.zeros(1200, dtype=int),
        anchors=places,
        anchor_coordinates=places,
        label_order=np.array([0]),
    ).plot(Figure().subplots())
    x, y = display.texts_[0].get_position()
    assert min(abs(x), abs(x - 50)) < 1
    assert abs(y) < 1


def test_names_of_clusters_are_in_the_legend_as_they_are(
    rows, clustering, legend_texts, monkeypatch
):
    monkeypatch.setattr(clustering, "cluster_names_", {1: "a $x_1$ " + "b" * 90})
    display = ClusterMapDisplay.from_estimator(clustering, rows, random_state=0)
    assert display.legend_.get_title().get_text() == "Cluster"
    first, named, last = legend_texts(display)
    assert (first, last) == ("0", "2")
    assert named.startswith(r"1 a \$x_1\$ bbb")
    assert len(named) < 40
    display.figure_.draw_without_rendering()


def test_classes_may_colour_the_map(rows, clustering, legend_texts):
    classes = np.where(rows[:, 0] > 0, "right", "$left_{$")
    display = ClusterMapDisplay.from_estimator(
        clustering, rows, classes, random_state=0
    )
    assert legend_texts(display) == [r"\$left_{\$", "right"]
    display.figure_.draw_without_rendering()
    assert display.legend_.get_title().get_text() == "Label"
    assert display.cluster_names is None


def test_an_embedding_has_a_map_of_one_colour(rows, embedding):
    display = ClusterMapDisplay.from_estimator(embedding, rows, random_state=0)
    assert len(display.scatters_) == 1
    assert display.texts_ == []
    assert display.legend_ is None
    assert display.anchors.shape[1] == 3


def test_a_stream_has_the_map_of_its_rows(rows, clustering):
    whole = ClusterMapDisplay.from_estimator(
        clustering, rows, subsample=None, random_state=0
    )
    parts = (rows[start : start + 50] for start in range(0, 120, 50))
    parted = ClusterMapDisplay.from_estimator(
        clustering, parts, subsample=None, random_state=0
    )
    np.testing.assert_array_equal(parted.coordinates, whole.coordinates)


def test_axes_have_no_numbers_and_one_scale(drawn):
    assert list(drawn.ax_.get_xticks()) == list(drawn.ax_.get_yticks()) == []
    assert drawn.ax_.get_aspect() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((0, 3)),), "embedding has shape (0, 3)"),
        ((np.zeros((4, 0)),), "embedding has shape (4, 0)"),
        ((np.full((4, 2), np.nan),), "embedding must be finite"),
        ((np.zeros((4, 2)), [1, 2]), "labels has shape (2,)"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ClusterMapDisplay.from_predictions(*arguments)


def test_maps_of_other_estimators_are_refused(drawn):
    with pytest.raises(ValueError, match="map of 9 eigenfunctions, but there are 2"):
        ClusterMapDisplay.from_predictions(np.zeros((4, 2)), layout=drawn)


def test_segmenters_are_refused(segmenter, pictures):
    assert isinstance(segmenter, DenseSegmenter)
    with pytest.raises(TypeError, match="eigenfunctions are maps of images"):
        ClusterMapDisplay.from_estimator(segmenter, pictures)
