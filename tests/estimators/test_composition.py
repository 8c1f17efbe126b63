"""Inside scikit-learn's other estimators: pipelines, unions, searches, routing."""

import pickle
from pathlib import Path

import new_process
import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding

X, Y = make_blobs(
    90, n_features=4, centers=3, center_box=(-8, 8), cluster_std=0.5, random_state=3
)
KERNEL = np.exp(-np.square(X[:, None] - X).sum(axis=2) / 8)
SMALL = {
    "hidden_sizes": (128,),
    "training__max_iter": 0,
    "n_neighbors": 5,
    "random_state": 0,
}
CLUSTERING = NeuralEigenSpectralClustering(3).set_params(**SMALL)
# The clusters are far apart: random pairs connect them.
EMBEDDING = NeuralSpectralEmbedding(2).set_params(affinity__regularization=0.1, **SMALL)
FOLDS = KFold(2, shuffle=True, random_state=0)


def gaussian(left, right):
    return np.exp(-np.square(left[:, None] - right).sum(axis=2) / 8)


@pytest.fixture(params=[CLUSTERING, EMBEDDING], ids=["clustering", "embedding"])
def estimator(request):
    return request.param


def test_a_column_transformer_gives_each_its_columns(estimator):
    columns = ColumnTransformer(
        [("functions", estimator, [0, 1]), ("rest", StandardScaler(), [2])],
        remainder="passthrough",
    )
    found = columns.fit_transform(X)
    alone = clone(estimator).fit(X[:, :2])
    n_functions = alone._n_features_out
    np.testing.assert_array_equal(found[:, :n_functions], alone.transform(X[:, :2]))
    np.testing.assert_array_equal(found, columns.transform(X))
    names = [f"functions__{name}" for name in alone.get_feature_names_out()]
    assert columns.get_feature_names_out().tolist()[:n_functions] == names


def test_a_column_transformer_of_frames(estimator):
    frame = pd.DataFrame(X, columns=list("abcd"))
    columns = make_column_transformer((estimator, ["b", "d"]), remainder="drop")
    columns.set_output(transform="pandas")
    found = columns.fit_transform(frame)
    alone = clone(estimator).fit(X[:, [1, 3]])
    np.testing.assert_array_equal(found, alone.transform(X[:, [1, 3]]))
    np.testing.assert_array_equal(columns.transform(frame[list("dcba")]), found)


def test_a_union_puts_functions_beside_features(estimator):
    union = FeatureUnion([("features", StandardScaler()), ("functions", estimator)])
    found = union.fit(X).transform(X)
    np.testing.assert_array_equal(found[:, :4], StandardScaler().fit_transform(X))
    np.testing.assert_array_equal(found[:, 4:], clone(estimator).fit(X).transform(X))


def test_functions_are_features_of_a_classifier(estimator):
    pipeline = make_pipeline(StandardScaler(), estimator, LogisticRegression())
    scores = cross_val_score(pipeline, X, Y, cv=3)
    assert scores.min() > 0.95


def test_pipelines_fit_and_label_at_once():
    pipeline = make_pipeline(StandardScaler(), CLUSTERING)
    labels = clone(pipeline).fit_predict(X)
    np.testing.assert_array_equal(labels, clone(pipeline).fit(X).predict(X))


def compare_searches():
    # Random pairs connect the clusters: two of three are no arbitrary union.
    connected = clone(CLUSTERING).set_params(affinity__regularization=0.1)
    pipeline = Pipeline([("scale", StandardScaler()), ("cluster", connected)])
    grid = {"cluster__n_clusters": [2, 3]}
    with parallel_config("multiprocessing"):
        alone, shared = (
            GridSearchCV(pipeline, grid, cv=FOLDS, n_jobs=n_jobs).fit(X)
            for n_jobs in (None, 2)
        )
    assert alone.best_params_ == shared.best_params_ == {"cluster__n_clusters": 3}
    scores = [search.cv_results_["mean_test_score"] for search in (alone, shared)]
    np.testing.assert_allclose(*scores, rtol=1e-6)
    again = pickle.loads(pickle.dumps(shared))
    np.testing.assert_array_equal(again.predict(X), shared.predict(X))


def test_a_search_by_two_processes_is_that_by_one():
    # In a process that has imported torch and started no thread, which can be forked.
    code = "import sys; sys.path[:0] = sys.argv[1:]; import test_composition as law"
    here = Path(__file__).parent
    new_process.run(
        ["-c", f"{code}; law.compare_searches()", here, here.parent], check=True
    )


@pytest.mark.parametrize("scoring", ["adjusted_rand_score", "v_measure_score"])
def test_scorers_of_clusterings_compare_with_classes(scoring):
    assert scoring in get_scorer_names()
    scores = cross_val_score(CLUSTERING, X, Y, scoring=scoring, cv=FOLDS)
    np.testing.assert_allclose(scores, 1.0)


# Affinities as metadata


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def precomputed(kind):
    return kind.set_params(affinity="precomputed", n_neighbors=None)


def test_a_pipeline_passes_the_affinity_by_the_name_of_the_step(estimator):
    model = precomputed(clone(estimator))
    pipeline = Pipeline([("scale", StandardScaler()), ("last", clone(model))])
    pipeline.fit(X, last__affinity_matrix=KERNEL)
    rows = StandardScaler().fit_transform(X)
    expected = model.fit(rows, affinity_matrix=KERNEL).transform(rows)
    np.testing.assert_array_equal(pipeline.transform(X), expected)


@pytest.mark.usefixtures("routing")
def test_a_pipeline_routes_the_affinity(estimator):
    model = precomputed(clone(estimator)).set_fit_request(affinity_matrix=True)
    pipeline = make_pipeline(StandardScaler(), clone(model))
    pipeline.fit(X, affinity_matrix=KERNEL)
    rows = StandardScaler().fit_transform(X)
    expected = model.fit(rows, affinity_matrix=KERNEL).transform(rows)
    np.testing.assert_array_equal(pipeline.transform(X), expected)
    found = clone(pipeline).fit_transform(X, affinity_matrix=KERNEL)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("routing")
def test_labels_of_a_pipeline_with_an_affinity():
    model = precomputed(clone(CLUSTERING)).set_fit_request(affinity_matrix=True)
    pipeline = make_pipeline(StandardScaler(), model)
    labels = clone(pipeline).fit_predict(X, affinity_matrix=KERNEL)
    pipeline.fit(X, affinity_matrix=KERNEL)
    np.testing.assert_array_equal(labels, pipeline.predict(X))


@pytest.mark.usefixtures("routing")
def test_an_affinity_that_nobody_requested_is_refused():
    pipeline = make_pipeline(StandardScaler(), precomputed(clone(CLUSTERING)))
    message = r"\[affinity_matrix\] are passed but are not explicitly set as requested"
    with pytest.raises(ValueError, match=message):
        pipeline.fit(X, affinity_matrix=KERNEL)


@pytest.mark.parametrize("routed", [False, True])
def test_cross_validation_of_an_affinity_is_refused_with_the_way_out(routed):
    with sklearn.config_context(enable_metadata_routing=routed):
        model = precomputed(clone(CLUSTERING))
        if routed:
            model.set_fit_request(affinity_matrix=True)
            model.set_score_request(affinity_matrix=True)
        search = GridSearchCV(
            model, {"n_clusters": [2, 3]}, cv=FOLDS, error_score="raise"
        )
        message = (
            r"shape \(45, 90\); it must be square. Cross-validation takes its rows"
        )
        with pytest.raises(ValueError, match=message):
            search.fit(X, affinity_matrix=KERNEL)


def test_the_ways_out_of_cross_validation_agree():
    callable_ = clone(CLUSTERING).set_params(
        affinity=gaussian, n_neighbors=None, training__sampling="nodes"
    )
    by_callable = cross_val_score(callable_, X, cv=FOLDS)
    by_hand = []
    for train, test in FOLDS.split(X):
        model = precomputed(clone(CLUSTERING)).set_params(training__sampling="nodes")
        model.fit(X[train], affinity_matrix=KERNEL[train][:, train])
        matrix = KERNEL[test][:, test]
        by_hand.append(model.score(X[test], affinity_matrix=matrix))
    np.testing.assert_allclose(by_callable, by_hand, atol=1e-3)
