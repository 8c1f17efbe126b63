import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from neuraleig import (
    GraphWarning,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
)
from neuraleig.affinity import NeighborAffinity
from neuraleig.metrics import trace_ratio
from neuraleig.spectrum import graph_spectrum

SMALL = {"hidden_sizes": (32,), "training__max_iter": 20, "random_state": 0}


def embedder(n_components=2, **params):
    return NeuralSpectralEmbedding(n_components).set_params(**SMALL | params)


@pytest.fixture(scope="module")
def band():
    """A long thin strip, whose first eigenfunction is its length."""
    generator = np.random.default_rng(0)
    return generator.uniform(size=(400, 2)) * [10.0, 1.0]


@pytest.fixture(scope="module")
def fitted(band):
    return embedder().fit(band)


def test_the_embedding_of_the_fit_is_the_transform(fitted, band):
    np.testing.assert_array_equal(fitted.embedding_, fitted.transform(band))
    np.testing.assert_array_equal(clone(fitted).fit_transform(band), fitted.embedding_)


def test_the_constant_is_left_out(fitted):
    assert fitted.embedding_.shape == (400, 2)
    assert fitted.eigenvalues_.shape == (3,)
    assert fitted.eigenvalues_[0] == 1.0
    assert np.all(np.ptp(fitted.embedding_, axis=0) > 1.0)


def test_coordinates_are_orthonormal_under_the_degrees(fitted, band):
    graph = NeighborAffinity().build(band, seed=0)
    shares = graph.degrees / graph.degrees.sum()
    np.testing.assert_allclose(shares @ fitted.embedding_, 0.0, atol=1e-4)
    gram = fitted.embedding_.T @ (shares[:, None] * fitted.embedding_)
    np.testing.assert_allclose(gram, np.eye(2), atol=1e-4)


def test_the_first_coordinate_runs_along_a_band(fitted, band):
    rank = np.corrcoef(band[:, 0].argsort().argsort(), fitted.embedding_[:, 0])[0, 1]
    assert abs(rank) > 0.95
    # New rows fall into place: the eigenfunction of a strip is a cosine of its length.
    places = np.column_stack([np.linspace(1.0, 9.0, 20), np.full(20, 0.5)])
    along = fitted.transform(places)[:, 0]
    assert np.all(np.diff(along) > 0) or np.all(np.diff(along) < 0)


def test_the_embedding_spans_the_exact_eigenvectors(fitted, band):
    graph = NeighborAffinity().build(band, seed=0)
    exact = graph_spectrum(graph.weights, 3)
    assert trace_ratio(fitted.eigenvalues_, exact.eigenvalues) >= 0.99
    root = np.sqrt(graph.degrees / graph.degrees.sum())[:, None]
    cosines = np.linalg.svd(
        (root * exact.functions[:, 1:]).T @ (root * fitted.embedding_), compute_uv=False
    )
    assert cosines.min() > 0.98


def test_digits_are_embedded_near_exactly_by_the_defaults():
    X = load_digits().data / 6.0
    model = NeuralSpectralEmbedding(10, random_state=0).fit(X)
    weights = NeighborAffinity().build(X, seed=0).weights
    exact = graph_spectrum(weights, 11).eigenvalues
    assert trace_ratio(model.eigenvalues_, exact) >= 0.99


def test_the_sign_of_one_coordinate_tells_two_components_apart():
    sides = np.arange(120) % 2
    X = np.random.default_rng(0).normal(size=(120, 2)) + 100.0 * sides[:, None]
    with pytest.warns(GraphWarning, match="2 connected components: the leading"):
        model = embedder(1).fit(X[:80])
    assert model.n_connected_components_ == 2
    found = model.transform(X[80:])[:, 0] > 0
    assert np.mean(found == sides[80:]) in (0.0, 1.0)


def test_more_dimensions_refine_and_do_not_replace():
    X, _ = make_swiss_roll(300, random_state=0)
    few, many = embedder(2).fit(X), embedder(5).fit(X)
    assert many.embedding_.shape == (300, 5)
    np.testing.assert_allclose(many.eigenvalues_[:3], few.eigenvalues_, atol=0.02)


def test_few_rows_have_few_coordinates():
    X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    with pytest.warns(ConvergenceWarning, match="the graph has 3 distinct rows"):
        model = embedder(5, n_neighbors=2).fit(X)
    assert model.embedding_.shape == (3, 2)
    assert model.get_feature_names_out().size == 2


def test_clustering_shares_its_functions(band):
    model = (
        NeuralEigenSpectralClustering(1, n_components=3).set_params(**SMALL).fit(band)
    )
    ours = embedder().fit(band)
    np.testing.assert_allclose(model.eigenvalues_, ours.eigenvalues_, atol=0.01)


def test_a_row_alone_gets_the_bits_it_gets_in_company(fitted, band):
    for row in range(0, 400, 37):
        np.testing.assert_array_equal(
            fitted.transform(band[row : row + 1])[0], fitted.embedding_[row]
        )


def test_a_pickle_answers_the_same(fitted, band):
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.transform(band), fitted.embedding_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_coordinates_come_in_the_float_type_of_the_rows(band, dtype):
    model = embedder().fit(band.astype(dtype))
    assert model.embedding_.dtype == dtype
    assert model.transform(band.astype(dtype)).dtype == dtype


def test_coordinates_have_names(fitted):
    names = fitted.get_feature_names_out().tolist()
    assert names == ["neuralspectralembedding0", "neuralspectralembedding1"]


def test_coordinates_serve_a_classifier_in_cross_validation():
    X, y = make_moons(400, noise=0.15, random_state=0)
    straight = cross_val_score(LogisticRegression(), X, y, cv=2).mean()
    pipeline = make_pipeline(PCA(2), embedder(4), LogisticRegression())
    assert cross_val_score(pipeline, X, y, cv=2).mean() > straight + 0.05


@pytest.mark.parametrize("affinity", ["rbf", "precomputed"])
def test_other_affinities_find_the_length_of_a_band(band, affinity):
    given = {}
    if affinity == "precomputed":
        given = {"affinity_matrix": NeighborAffinity().build(band, seed=0).weights}
    model = embedder(affinity=affinity).fit(band, **given)
    assert abs(np.corrcoef(band[:, 0], model.embedding_[:, 0])[0, 1]) > 0.9
    assert hasattr(model.affinity_, "gamma_") == (affinity == "rbf")


def test_every_step_leaves_its_loss(fitted):
    assert len(fitted.loss_curve_) == 20 < fitted.n_iter_


def test_nothing_is_transformed_before_fit(band):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        embedder().transform(band)
    with pytest.raises(NotFittedError):
        embedder().get_feature_names_out()


@pytest.mark.parametrize(
    ("n_components", "options", "n_rows", "n_found", "reason"),
    [
        (6, {"hidden_sizes": (2,)}, 60, 2, "hidden_sizes"),
        (20, {}, 8, 7, "8 distinct rows"),
        (6, {"hidden_sizes": (2,), "training__init": "random"}, 60, 2, "hidden_sizes"),
    ],
)
def test_fewer_functions_than_asked_for_are_warned_of(
    n_components, options, n_rows, n_found, reason
):
    rows = np.random.default_rng(0).normal(size=(n_rows, 3))
    parameters = {
        "n_neighbors": 5,
        "training__max_iter": 5,
        "random_state": 0,
    } | options
    message = rf"Only {n_found} of n_components={n_components} .*{reason}"
    with pytest.warns(ConvergenceWarning, match=message):
        model = NeuralSpectralEmbedding(n_components).set_params(**parameters).fit(rows)
    assert model.embedding_.shape == (n_rows, n_found)
    assert len(model.get_feature_names_out()) == n_found
    # The clustering counts the constant one.
    message = rf"Only {n_found + 1} of n_components={n_components + 1} .*{reason}"
    with pytest.warns(ConvergenceWarning, match=message):
        NeuralEigenSpectralClustering(2, n_components=n_components + 1).set_params(
            **parameters
        ).fit(rows)


def test_functions_that_nobody_asked_for_are_not_missed():
    rows = np.random.default_rng(0).normal(size=(6, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        NeuralEigenSpectralClustering(
            3, n_neighbors=3, assign_labels="kmeans", random_state=0
        ).fit(rows)
        NeuralSpectralEmbedding(n_neighbors=3, random_state=0).fit(rows)
