"""Groups of rows, such as batches: clusters are those that groups have in common."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import neuraleig
from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.affinity import NeighborAffinity
from neuraleig.metrics import modularity

N_BATCHES, SHIFT = 3, 20.0
# The clusters touch.
NEARLY = 0.95
ACROSS = NeighborAffinity(8, across_groups=True, regularization=0.05)
SMALL = {"hidden_sizes": (128,), "training__max_iter": 20, "random_state": 0}


def shifted(n_rows=240, seed=0):
    """Two clusters that touch, in three batches that do not."""
    generator = np.random.default_rng(seed)
    y = generator.integers(2, size=n_rows)
    batch = generator.integers(N_BATCHES, size=n_rows)
    X = generator.normal(size=(n_rows, 3)) * [0.05, 1.0, 1.0]
    X[:, 0] += SHIFT * batch
    X[:, 1] += 5.0 * y
    return X, y, batch


X, Y, BATCH = shifted()


def clustering(**parameters):
    model = NeuralEigenSpectralClustering(2, affinity=ACROSS)
    return clone(model).set_params(**SMALL | parameters)


@pytest.fixture(scope="module")
def fitted():
    return clustering().fit(X, groups=BATCH)


# Clusters


def test_clusters_are_those_that_the_batches_have_in_common(fitted):
    assert adjusted_rand_score(Y, fitted.labels_) > NEARLY
    plain = clustering(n_clusters=3, affinity__across_groups=False).fit(X)
    assert adjusted_rand_score(BATCH, plain.labels_) == 1.0


def test_predictions_need_no_groups(fitted):
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)
    new, y, _ = shifted(60, seed=1)
    assert adjusted_rand_score(y, fitted.predict(new)) > NEARLY
    assert fitted.transform(new[:5]).shape == (5, fitted.eigenvalues_.size)


@pytest.mark.parametrize(
    "parameters",
    [
        {"assign_labels": "kmeans"},
        {"affinity__metric": "manhattan"},
        {"training__sampling": "nodes", "training__max_iter": 20},
        {"training__max_iter": 20, "training__walk_length": 2},
    ],
    ids=str,
)
def test_every_way_to_fit_takes_groups(parameters):
    model = clustering(**parameters)
    assert adjusted_rand_score(Y, model.fit_predict(X, groups=BATCH)) > NEARLY


def test_embeddings_show_the_clusters_rather_than_the_batches():
    model = NeuralSpectralEmbedding(1, affinity=ACROSS).set_params(**SMALL)
    found = model.fit_transform(X, groups=BATCH)
    np.testing.assert_array_equal(found, clone(model).fit(X, groups=BATCH).embedding_)
    assert adjusted_rand_score(Y, found[:, 0] > 0) > NEARLY


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
@pytest.mark.parametrize(
    "convert",
    [
        list,
        torch.from_numpy,
        lambda groups: np.array(["north", "south", "west"])[groups],
        lambda groups: ["north south west".split()[group] for group in groups],
        lambda groups: pd.Series(groups).map({0: "a", 1: "b", 2: "c"}),
        lambda groups: pd.Series(groups, dtype="category"),
        lambda groups: pd.Series(groups, dtype="Int64"),
        lambda groups: groups / 2,
        lambda groups: groups[:, None],
        lambda groups: np.array([1, "b", (2, 3)], dtype=object)[groups],
    ],
    ids=[
        "list",
        "tensor",
        "names",
        "list of names",
        "series of names",
        "categories",
        "nullable",
        "floats",
        "column",
        "mixed",
    ],
)
def test_groups_count_by_which_rows_they_have_alone(fitted, convert, order):
    groups = convert(np.array(order)[BATCH])
    again = clustering().fit(X, groups=groups)
    np.testing.assert_array_equal(again.labels_, fitted.labels_)
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))


# More rows than the graph may have


class Batches:
    """Rows in parts, which can be read again."""

    def __iter__(self):
        return iter(np.array_split(X, 7))


@pytest.mark.parametrize("rows", [X, Batches()], ids=["array", "stream"])
def test_groups_are_drawn_with_their_rows(rows):
    sizes = []

    class Recorded(NeighborAffinity):
        def build(self, X, groups, **options):
            assert adjusted_rand_score(np.round(X[:, 0] / SHIFT), groups) == 1.0
            sizes.append(len(X))
            return super().build(X, groups=groups, **options)

    affinity = Recorded(8, across_groups=True)
    model = clustering(affinity=affinity, max_graph_rows=150)
    model.fit(rows, groups=BATCH)
    assert sizes == [150]
    assert model.labels_.shape == (240,)
    assert adjusted_rand_score(Y, model.labels_) > 0.9


def test_a_draw_of_one_group_is_refused():
    groups = np.zeros(240, dtype=int)
    groups[0] = 1
    model = clustering(max_graph_rows=3, n_clusters=1)
    with pytest.raises(ValueError, match="groups has the single value 0, and neigh"):
        model.fit(X, groups=groups)


# Scores


def test_scores_are_those_of_the_graph_across_groups(fitted):
    graph = ACROSS.build(X, groups=BATCH)
    labels = fitted.labels_[graph.index]
    expected = modularity(graph.weights, labels, uniform=graph.uniform)
    assert fitted.score(X, groups=BATCH) == pytest.approx(expected)
    assert fitted.score(X, groups=BATCH) > 0.4
    half = fitted.score(X[::2], groups=BATCH[::2])
    assert half == pytest.approx(expected, abs=0.1)


def test_scores_need_groups(fitted):
    with pytest.raises(ValueError, match=r"needs groups: pass groups=\.\.\."):
        fitted.score(X)


# What is refused


@pytest.fixture
def no_graph(monkeypatch):
    """To build a graph fails the test."""
    monkeypatch.setattr(NeighborAffinity, "build", None)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            None,
            r"across_groups=True.*\) needs groups: pass groups=\.\.\. \(one",
        ),
        (BATCH[:-1], "groups has 239 entries but X has 240 rows; pass one per row"),
        (BATCH[:0], "groups has 0 entries but X has 240 rows"),
        (np.zeros(240), r"groups has the single value 0\.0, .* at least two groups"),
        (["only"] * 240, "groups has the single value 'only'"),
        (np.zeros((240, 2)), "1d array"),
        ([None, *BATCH[1:]], r"groups has missing values \(None for row 0\)"),
        (np.where(BATCH == 2, np.nan, BATCH), r"missing values \(nan for row \d+\)"),
        (
            pd.Series(BATCH).map({0: "a", 1: "b"}),
            rf"missing values \(nan for row {np.flatnonzero(BATCH == 2)[0]}\)",
        ),
        (
            pd.Series(BATCH, dtype="Int64").where(BATCH != 2).astype(object),
            r"missing values \(<NA> for row \d+\)",
        ),
    ],
)
@pytest.mark.usefixtures("no_graph")
@pytest.mark.parametrize(
    "kind", [NeuralEigenSpectralClustering, NeuralSpectralEmbedding]
)
def test_unusable_groups_are_refused_before_any_work(kind, groups, message):
    model = kind(2, affinity=ACROSS)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(X, groups=groups)
    assert vars(model) == before


@pytest.mark.parametrize(
    "affinity", ["nearest_neighbors", "rbf", "cosine", NeighborAffinity(5), np.dot]
)
@pytest.mark.usefixtures("no_graph")
def test_groups_that_nobody_uses_are_refused(affinity):
    message = r"groups were passed but affinity=.* does not use them; set affinity=Neig"
    with pytest.raises(ValueError, match=message):
        clustering(affinity=affinity).fit(X, groups=BATCH)


def test_streams_have_no_groups():
    with pytest.raises(ValueError, match="needs more than the rows of a stream"):
        clustering().partial_fit(X)


# Metadata


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_a_pipeline_routes_groups():
    model = clustering().set_fit_request(groups=True)
    pipeline = make_pipeline(StandardScaler(), model)
    labels = clone(pipeline).fit_predict(X, groups=BATCH)
    np.testing.assert_array_equal(pipeline.fit(X, groups=BATCH).predict(X), labels)
    rows = StandardScaler().fit_transform(X)
    expected = clustering().fit(rows, groups=BATCH)
    np.testing.assert_array_equal(pipeline.transform(X), expected.transform(rows))
    with pytest.raises(ValueError, match=r"\[groups\] are passed but are not explicit"):
        make_pipeline(StandardScaler(), clustering()).fit(X, groups=BATCH)


def test_a_pipeline_passes_groups_by_the_name_of_the_step():
    pipeline = make_pipeline(StandardScaler(), clustering())
    name = "neuraleigenspectralclustering"
    pipeline.fit(X, **{f"{name}__groups": BATCH})
    expected = clustering().fit(StandardScaler().fit_transform(X), groups=BATCH)
    np.testing.assert_array_equal(pipeline.predict(X), expected.labels_)


@pytest.mark.usefixtures("routing")
def test_a_search_routes_groups_of_every_fold():
    model = clustering().set_fit_request(groups=True).set_score_request(groups=True)
    folds = KFold(2, shuffle=True, random_state=0)
    grid = {"n_clusters": [2, 3], "affinity__weights": ["binary"]}
    search = GridSearchCV(model, grid, cv=folds, error_score="raise")
    # Scores of pipelines take no metadata unless their last step takes weights.
    pipeline = make_pipeline(StandardScaler(with_std=False), search)
    pipeline.fit(X, groups=BATCH)
    assert pipeline[-1].best_params_["n_clusters"] == 2
    assert adjusted_rand_score(Y, pipeline.predict(X)) > NEARLY
    scores = cross_val_score(model, X, cv=folds, params={"groups": BATCH})
    by_hand = [
        clustering()
        .fit(X[train], groups=BATCH[train])
        .score(X[test], groups=BATCH[test])
        for train, test in folds.split(X)
    ]
    np.testing.assert_allclose(scores, by_hand)


# Copies


def test_saved_models_score_across_groups(fitted, tmp_path):
    neuraleig.save(fitted, tmp_path / "model.safetensors")
    loaded = neuraleig.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), fitted.labels_)
    assert loaded.score(X, groups=BATCH) == fitted.score(X, groups=BATCH)
    refitted = clone(loaded).fit(X, groups=BATCH)
    np.testing.assert_array_equal(refitted.transform(X), fitted.transform(X))
