"""Sparse rows: equal values give equal results, whatever holds them."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import neuraleig
from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig._sparse_rows import MOST_COLUMNS, learn_projection, network_rows
from neuraleig.metrics import clustering_accuracy
from neuraleig.persistence import describe
from neuraleig.training import CheckpointError

SMALL = {"hidden_sizes": (32,), "training__max_iter": 5, "random_state": 0}
METHODS = ["predict", "predict_proba", "transform", "score_samples"]
N_TOPICS, N_WORDS = 3, 600


def texts(n_rows=300, seed=0, dtype=np.float64):
    """Dense counts of words, of which each topic has a third, and the topics."""
    generator = np.random.default_rng(seed)
    topics = np.arange(n_rows) % N_TOPICS
    own = np.arange(N_WORDS) * N_TOPICS // N_WORDS == topics[:, None]
    rates = np.where(own, 0.1, 0.01)
    return generator.poisson(rates).astype(dtype), topics


WIDE, TOPICS = texts()
NARROW = load_digits().data[:200]
ROWS = {"narrow": NARROW, "wide": WIDE}


def make(n_clusters=3, **params):
    return NeuralEigenSpectralClustering(n_clusters).set_params(**SMALL | params)


@pytest.fixture(scope="module")
def fitted():
    """Models of sparse rows, by their width."""
    return {name: make().fit(sp.csr_array(rows)) for name, rows in ROWS.items()}


def shuffled(rows):
    """CSR with indices out of order, each entry in two halves, and explicit zeros."""
    found = sp.coo_array(rows + (rows == 0).cumsum(axis=1) % 7 // 6 * 1e-300)
    data = np.where(found.data < 1e-200, 0.0, found.data)
    order = np.random.default_rng(0).permutation(2 * data.size)
    parts = (np.tile(v, 2)[order] for v in (data / 2, *found.coords))
    values, row, column = parts
    by_row = np.argsort(row, kind="stable")
    starts = np.r_[0, np.bincount(row, minlength=len(rows)).cumsum()]
    return sp.csr_array((values[by_row], column[by_row], starts), shape=rows.shape)


def with_long_indices(rows):
    found = sp.csr_array(rows)
    found.indices = found.indices.astype(np.int64)
    found.indptr = found.indptr.astype(np.int64)
    return found


FORMATS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
CONTAINERS = {
    **{
        f"{name}_{kind}": getattr(sp, f"{name}_{kind}")
        for name in FORMATS
        for kind in ("array", "matrix")
    },
    "64-bit indices": with_long_indices,
    "unsorted, duplicate and zero entries": shuffled,
    "integers": lambda rows: sp.csr_array(rows.astype(np.int16)),
    "torch csr": lambda rows: torch.from_numpy(rows).to_sparse_csr(),
    "torch coo": lambda rows: torch.from_numpy(rows).to_sparse(),
    "torch csc": lambda rows: torch.from_numpy(rows).to_sparse_csc(),
    "dense": np.asarray,
}


@pytest.mark.filterwarnings("ignore:Constructing a DIA matrix", "ignore:Sparse CS")
@pytest.mark.parametrize("width", ROWS)
@pytest.mark.parametrize("convert", CONTAINERS.values(), ids=CONTAINERS)
def test_predictions_are_those_of_the_values(fitted, width, convert):
    model, rows = fitted[width], convert(ROWS[width])
    np.testing.assert_array_equal(model.predict(rows), model.labels_)
    expected = model.predict_proba(sp.csr_array(ROWS[width]))
    np.testing.assert_array_equal(model.predict_proba(rows), expected)


@pytest.mark.filterwarnings("ignore:Sparse CS")
@pytest.mark.parametrize("width", ROWS)
@pytest.mark.parametrize(
    "name",
    [
        "csr_matrix",
        "coo_array",
        "64-bit indices",
        "integers",
        "torch csr",
        "unsorted, duplicate and zero entries",
    ],
)
def test_fits_are_those_of_the_values(fitted, width, name):
    rows = ROWS[width]
    model = make().fit(CONTAINERS[name](rows))
    expected = fitted[width].transform(rows)
    np.testing.assert_array_equal(model.transform(rows), expected)


@pytest.mark.parametrize(
    "kind", [NeuralEigenSpectralClustering, NeuralSpectralEmbedding]
)
def test_narrow_rows_are_fitted_as_dense_ones(kind):
    found = [
        kind(2, hidden_sizes=(32,), random_state=0).fit(convert(NARROW))
        for convert in (np.asarray, sp.csr_array)
    ]
    assert found[1].projection_ is None
    for method in METHODS if kind is NeuralEigenSpectralClustering else METHODS[2:]:
        dense, sparse = (getattr(model, method)(NARROW) for model in found)
        np.testing.assert_array_equal(sparse, dense)
    assert [m.n_features_in_ for m in found] == [64, 64]


def test_wide_dense_rows_are_not_projected():
    model = make().fit(WIDE)
    assert model.projection_ is None
    sparse = sp.csr_array(WIDE)
    np.testing.assert_array_equal(model.predict(sparse), model.labels_)
    np.testing.assert_array_equal(model.transform(sparse), model.transform(WIDE))


def test_topics_are_found_in_new_texts():
    new, topics = texts(seed=1)
    model = make(hidden_sizes=(64,)).fit(sp.csr_array(WIDE))
    assert model.projection_.shape == (N_WORDS, MOST_COLUMNS)
    assert model.projection_.dtype == np.float32
    assert clustering_accuracy(TOPICS, model.labels_) > 0.97
    assert clustering_accuracy(topics, model.predict(sp.csr_array(new))) > 0.95


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("method", METHODS)
def test_a_row_alone_is_the_row_in_company(fitted, convert, method):
    model = fitted["wide"]
    whole = getattr(model, method)(sp.csr_array(WIDE))
    for part in (slice(5, 6), slice(0, 33), slice(100, 300)):
        alone = getattr(model, method)(convert(WIDE[part]))
        np.testing.assert_array_equal(alone, whole[part])


@pytest.mark.parametrize("width", ROWS)
def test_parts_of_a_stream_are_sparse(fitted, width):
    rows = sp.csr_array(ROWS[width])
    parts = [rows[:50], rows[50:51], rows[:0], rows[51:]]
    model = make().fit(parts)
    np.testing.assert_array_equal(model.labels_, fitted[width].labels_)
    np.testing.assert_array_equal(model.predict(iter(parts)), model.labels_)
    in_tuples = [(part, None) for part in parts]
    np.testing.assert_array_equal(model.predict(in_tuples), model.labels_)
    mixed = [parts[0].toarray(), *parts[1:]]
    np.testing.assert_array_equal(make().fit(mixed).labels_, model.labels_)


def test_of_many_rows_some_are_drawn():
    rows = sp.csr_array(WIDE)
    model = make(max_graph_rows=200).fit(rows)
    assert model.labels_.shape == (300,)
    np.testing.assert_array_equal(model.labels_, model.predict(WIDE))
    parts = make(max_graph_rows=200).fit([rows[:120], rows[120:]])
    np.testing.assert_array_equal(parts.labels_, model.labels_)


def test_partial_fit_takes_sparse_rows():
    rows, model = sp.csr_array(WIDE), make()
    for start in range(0, 300, 100):
        model.partial_fit(rows[start : start + 100])
    assert model.n_samples_seen_ == 300
    assert clustering_accuracy(TOPICS, model.predict(rows)) > 0.9
    np.testing.assert_array_equal(model.predict(rows), model.predict(WIDE))


def test_memory_is_bounded(monkeypatch):
    """No dense array has more than a slice of elements, or the rows' own columns."""
    monkeypatch.setattr("neuraleig._sparse_rows.SLICE_ELEMENTS", 4096)
    rows = sp.csr_array(WIDE)
    assert max(p.size for p in network_rows(rows, None)) <= 4096
    projection = learn_projection(rows, 0)
    sizes = [p.shape[0] for p in network_rows(rows, projection)]
    assert max(sizes) * MOST_COLUMNS <= 4096
    assert sum(sizes) == 300
    assert max(p.shape[0] for p in network_rows(WIDE, projection)) * N_WORDS <= 4096


def test_the_projection_keeps_lengths_and_leading_directions():
    rows = sp.csr_array(WIDE)
    projection = learn_projection(rows, 0)
    columns = projection.T @ projection
    np.testing.assert_allclose(columns, np.eye(MOST_COLUMNS), atol=1e-5)
    (found,) = network_rows(rows, projection)
    lengths = np.linalg.norm(WIDE, axis=1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), lengths)
    # Singular values of the unit rows within the columns are the leading ones.
    units = WIDE / np.maximum(lengths, 1e-9)[:, None]
    exact = np.linalg.svd(units, compute_uv=False)
    within = np.linalg.svd(units @ projection, compute_uv=False)
    np.testing.assert_allclose(within[:3], exact[:3], rtol=1e-4)
    assert (within**2).sum() > 0.97 * (exact[:MOST_COLUMNS] ** 2).sum()


def test_few_rows_keep_their_distances():
    rows = WIDE[:40]
    (found,) = network_rows(sp.csr_array(rows), learn_projection(sp.csr_array(rows), 0))
    assert found.shape == (40, 40)
    exact, kept = (
        np.linalg.norm(values[:, None] - values, axis=2) for values in (rows, found)
    )
    np.testing.assert_allclose(kept, exact, atol=1e-4 * exact.max())


def test_the_unit_of_the_rows_does_not_matter():
    rows = sp.csr_array(WIDE)
    one, other = learn_projection(rows, 0), learn_projection(rows * 2.0**40, 0)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_huge_row_leaves_the_columns_to_the_others():
    with_huge = WIDE.copy()
    with_huge[7] = 0
    with_huge[7, 3] = 1e12
    model = make(hidden_sizes=(64,)).fit(sp.csr_array(with_huge))
    others = np.arange(300) != 7
    assert clustering_accuracy(TOPICS[others], model.labels_[others]) > 0.95


@pytest.mark.filterwarnings("ignore::neuraleig.GraphWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_empty_rows_and_rows_without_known_words():
    rows = WIDE.copy()
    rows[::50] = 0
    rows[:, -1] = 0
    model = make().fit(sp.csr_array(rows))
    assert not model.projection_[-1].any()
    unknown = np.zeros((2, N_WORDS))
    unknown[1, -1] = 1.0
    for method in METHODS:
        values = getattr(model, method)(sp.csr_array(unknown))
        assert np.isfinite(values).all()
        # A word that no row of the fit has says nothing.
        np.testing.assert_array_equal(values[0], values[1])
    assert set(model.predict(unknown)) == set(model.labels_[::50])
    nothing = sp.csr_array((20, N_WORDS))
    make(1).fit(nothing)


def test_identical_rows_are_one_node():
    rows = np.concatenate([WIDE, np.repeat(WIDE[:1], 300, axis=0)])
    model = make().fit(shuffled(rows))
    assert np.unique(model.labels_[[0, *range(300, 600)]]).size == 1
    found = np.concatenate(list(network_rows(sp.csr_array(rows), model.projection_)))
    assert len(np.unique(found[300:], axis=0)) == 1


def test_rows_of_float32_stay_so():
    rows = sp.csr_array(WIDE.astype(np.float32))
    model = make().fit(rows)
    assert model.transform(rows).dtype == np.float32
    assert clustering_accuracy(TOPICS, model.labels_) > 0.9


def test_input_is_not_changed():
    given = shuffled(WIDE)
    before = given.copy()
    make().fit(given).predict(given)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(given, name), getattr(before, name))


@pytest.mark.parametrize("method", [*METHODS, "score"])
def test_other_widths_are_refused(fitted, method):
    with pytest.raises(ValueError, match=r"X has 5 features, but .* is expecting 600"):
        getattr(fitted["wide"], method)(sp.csr_array((4, 5)))


@pytest.mark.parametrize("metric", ["jaccard", "manhattan"])
def test_metrics_of_single_features_are_refused_where_there_is_a_projection(metric):
    with pytest.raises(ValueError, match=f"metric='{metric}' compares features one by"):
        make(metric=metric).fit(sp.csr_array(WIDE))
    make(metric="manhattan").fit(sp.csr_array(NARROW))


def test_cosine_does_not_depend_on_the_lengths_of_texts():
    scaled = sp.csr_array(WIDE * 2.0 ** (np.arange(300) % 5)[:, None])
    model = make(metric="cosine", hidden_sizes=(64,)).fit(scaled)
    assert clustering_accuracy(TOPICS, model.labels_) > 0.95


def test_frames_have_names():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(WIDE))
    frame.columns = [f"w{i}" for i in range(N_WORDS)]
    model = make().fit(frame)
    assert model.projection_ is not None
    assert model.feature_names_in_.tolist() == list(frame.columns)
    np.testing.assert_array_equal(model.predict(frame), model.labels_)


def test_a_given_graph_goes_with_sparse_rows():
    graph = sp.csr_array((TOPICS[:, None] == TOPICS).astype(float))
    model = make(affinity="precomputed")
    model.fit(sp.csr_array(WIDE), affinity_matrix=graph)
    assert clustering_accuracy(TOPICS, model.predict(WIDE)) == 1.0
    with pytest.raises(ValueError, match="needs the matrix: pass affinity_matrix"):
        make(affinity="precomputed").fit(graph)


@pytest.mark.parametrize("affinity", ["rbf", "cosine"])
def test_kernels_take_projected_rows(affinity):
    model = make(affinity=affinity).fit(sp.csr_array(WIDE))
    np.testing.assert_array_equal(model.predict(WIDE), model.labels_)


def test_refits_keep_numbers(fitted):
    rows = sp.csr_array(WIDE)
    again = make(random_state=5).fit(rows, align_to=fitted["wide"])
    assert again.alignment_.agreement > 0.9
    np.testing.assert_array_equal(again.labels_, again.predict(WIDE))


def test_other_numbers_of_clusters():
    model = make("auto", max_clusters=4).fit(sp.csr_array(WIDE))
    other = model.with_n_clusters(2)
    np.testing.assert_array_equal(other.predict(sp.csr_array(WIDE)), other.labels_)
    assert np.isfinite(model.score(sp.csr_array(WIDE)))


@pytest.mark.parametrize("width", ROWS)
def test_saved_and_pickled_models_predict_the_same(fitted, width, tmp_path):
    model, rows = fitted[width], sp.csr_array(ROWS[width])
    neuraleig.save(model, tmp_path / "m")
    loaded = neuraleig.load(tmp_path / "m", device="cpu")
    assert loaded.n_features_in_ == rows.shape[1]
    assert describe(tmp_path / "m").n_features == rows.shape[1]
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        for method in METHODS:
            expected = getattr(model, method)(rows)
            np.testing.assert_array_equal(getattr(other, method)(rows), expected)
    assert clone(model).fit(rows).labels_.tolist() == model.labels_.tolist()


def test_an_interrupted_fit_goes_on(tmp_path, monkeypatch):
    rows, folder = sp.csr_array(WIDE), tmp_path / "state"
    expected = make().fit(rows).labels_
    monkeypatch.setattr("neuraleig._fit._fit.teach", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(checkpoint=folder).fit(rows)
    monkeypatch.undo()
    other = make(checkpoint=folder)
    with pytest.raises(CheckpointError, match="other X"):
        other.fit(rows * 2)
    np.testing.assert_array_equal(other.fit(shuffled(WIDE)).labels_, expected)
    assert not folder.exists()


def _interrupted(*_, **__):
    raise KeyboardInterrupt


def test_texts_in_a_pipeline_and_a_search():
    words = np.array([f"word{i}" for i in range(N_WORDS)])
    documents = [" ".join(np.repeat(words, row.astype(int))) for row in WIDE[:120]]
    pipeline = make_pipeline(TfidfVectorizer(), make(hidden_sizes=(64,)))
    labels = pipeline.fit_predict(documents)
    assert clustering_accuracy(TOPICS[:120], labels) > 0.9
    np.testing.assert_array_equal(pipeline.predict(documents), labels)
    name = "neuraleigenspectralclustering__n_clusters"
    search = GridSearchCV(pipeline, {name: [2, 3]}, cv=2, error_score="raise")
    search.fit(documents)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
