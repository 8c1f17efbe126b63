"""The display of the strengths of all numbers of clusters."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import NeuralEigenSpectralClustering, Training
from neuraleig.plotting import ClusterCurveDisplay


@pytest.fixture(scope="module")
def fitted(rows):
    model = NeuralEigenSpectralClustering(
        2, max_clusters=5, training=Training(max_iter=0), random_state=0
    )
    return model.fit(rows)


def test_strengths_and_both_numbers_are_drawn(ax, legend_texts):
    strengths = [0.0, -7.0, 1.5, 0.3]
    display = ClusterCurveDisplay.from_predictions(strengths, n_clusters=2, ax=ax)
    np.testing.assert_array_equal(display.line_.get_xdata(), [1, 2, 3, 4])
    # What is far below is drawn at the edge, and kept as it is.
    np.testing.assert_array_equal(display.line_.get_ydata(), [0.0, -2.0, 1.5, 0.3])
    assert display.strengths[1] == -7.0
    assert list(display.best_.get_xdata()) == [3]
    assert set(display.chosen_.get_xdata()) == {2}
    assert legend_texts(display) == [
        "Largest strength: 3 clusters",
        "In use: 2 clusters",
    ]


def test_one_cluster_may_be_the_best(ax, legend_texts):
    display = ClusterCurveDisplay.from_predictions([0.0, -0.5], ax=ax)
    assert display.chosen_ is None
    assert legend_texts(display) == ["Largest strength: 1 cluster"]


def test_estimators_and_pipelines_have_their_curve(fitted):
    pipeline = make_pipeline(StandardScaler(), fitted)
    for estimator in (fitted, pipeline):
        display = ClusterCurveDisplay.from_estimator(estimator, ax=Figure().subplots())
        expected = fitted.cluster_curve_.strength
        np.testing.assert_array_equal(display.strengths, expected)
        assert display.n_clusters == 2


def test_a_fit_without_a_curve_is_refused(clustering):
    with pytest.raises(ValueError, match=r"n_clusters='auto' or max_clusters=30"):
        ClusterCurveDisplay.from_estimator(clustering)


@pytest.mark.parametrize("number", [0, -1, 2.5, "2", True])
def test_what_is_no_count_is_refused(number):
    with pytest.raises(ValueError, match="n_clusters="):
        ClusterCurveDisplay.from_predictions([0.0, 1.0], n_clusters=number)
