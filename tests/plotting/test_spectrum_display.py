"""Eigenvalues and the gap among them: what is drawn is what was computed."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import make_blobs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.plotting import SpectrumDisplay
from neuraleig.spectrum import suggest_n_clusters
from neuraleig.training import Training

EIGENVALUES = [1.0, 0.99, 0.98, 0.7, 0.6]


def test_spectrum_line_is_the_eigenvalues_counted_from_one(ax):
    display = SpectrumDisplay.from_predictions(EIGENVALUES, ax=ax)
    np.testing.assert_array_equal(display.line_.get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(display.line_.get_ydata(), EIGENVALUES)
    assert ax.get_xlabel() and ax.get_ylabel()


@pytest.mark.parametrize("suggestion", [1, 2, 4])
def test_spectrum_marks_the_gap_after_the_suggestion(ax, suggestion, legend_texts):
    display = SpectrumDisplay.from_predictions(
        EIGENVALUES, suggested_n_clusters=suggestion, ax=ax
    )
    assert set(display.suggestion_.get_xdata()) == {suggestion + 0.5}
    np.testing.assert_array_equal(
        display.gap_.get_xdata(), [suggestion, suggestion + 1]
    )
    np.testing.assert_array_equal(
        display.gap_.get_ydata(), EIGENVALUES[suggestion - 1 : suggestion + 1]
    )
    # The library suggests 3, and nothing else is said to be its suggestion.
    assert legend_texts(display) == [f"Chosen number of clusters: {suggestion}"]


def test_spectrum_marks_nothing_without_a_suggestion(ax):
    display = SpectrumDisplay.from_predictions(
        EIGENVALUES, suggested_n_clusters=None, ax=ax
    )
    assert display.suggested_n_clusters is None
    assert display.gap_ is display.suggestion_ is display.legend_ is None
    assert len(ax.lines) == 1


def test_spectrum_of_estimators_has_their_eigenvalues_and_suggestion(
    clustering, embedding, segmenter
):
    pipeline = make_pipeline(StandardScaler(), clustering)
    suggestion = suggest_n_clusters(clustering.graph_eigenvalues_)
    for estimator, final, expected in [
        (clustering, clustering, suggestion),
        (pipeline, clustering, suggestion),
        (embedding, embedding, suggest_n_clusters(embedding.graph_eigenvalues_)),
        (segmenter, segmenter, suggest_n_clusters(segmenter.graph_eigenvalues_)),
    ]:
        display = SpectrumDisplay.from_estimator(estimator, ax=Figure().subplots())
        np.testing.assert_array_equal(
            display.line_.get_ydata(), final.graph_eigenvalues_
        )
        assert display.suggested_n_clusters == expected


def test_spectrum_of_a_default_fit_marks_the_gap_after_its_clusters(ax):
    X, _ = make_blobs(160, centers=np.eye(4) * 20, random_state=0)
    model = NeuralEigenSpectralClustering(
        4, training=Training(max_iter=0), random_state=0
    ).fit(X)
    display = SpectrumDisplay.from_estimator(model, ax=ax)
    assert display.suggested_n_clusters == 4
    assert display.gap_ is not None


def test_spectrum_of_two_eigenvalues_suggests_nothing(rows, ax):
    model = NeuralEigenSpectralClustering(
        2, n_components=2, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    assert SpectrumDisplay.from_estimator(model, ax=ax).gap_ is None


def test_spectrum_passes_style_on(ax):
    display = SpectrumDisplay.from_predictions(
        EIGENVALUES, ax=ax, color="black", marker="x"
    )
    assert (display.line_.get_color(), display.line_.get_marker()) == ("black", "x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one"),
        ([[1.0, 0.5]], "shape"),
        ([1.0, np.nan, 0.5], "finite"),
        ([0.0, 0.1, 0.4], "descending"),
    ],
)
def test_spectrum_refuses_what_is_no_spectrum(values, message):
    with pytest.raises(ValueError, match=message):
        SpectrumDisplay.from_predictions(values)


@pytest.mark.parametrize("suggestion", [0, 5, -1, 2.5, "2", "gap", True])
def test_spectrum_refuses_suggestions_without_a_gap(suggestion):
    with pytest.raises(ValueError, match=f"suggested_n_clusters={suggestion!r}"):
        SpectrumDisplay.from_predictions(EIGENVALUES, suggested_n_clusters=suggestion)


def test_spectrum_suggests_what_the_library_suggests(ax):
    display = SpectrumDisplay.from_predictions(EIGENVALUES, ax=ax)
    assert display.suggested_n_clusters == suggest_n_clusters(EIGENVALUES) == 3
    assert display.suggestion_.get_label() == "Suggested number of clusters: 3"


@pytest.mark.parametrize("values", [[1.0], [1.0, 0.5]])
def test_spectrum_suggests_nothing_where_there_is_no_choice(values, ax):
    display = SpectrumDisplay.from_predictions(values, ax=ax)
    assert display.suggested_n_clusters is None
    assert all(tick == round(tick) for tick in ax.get_xticks())


@pytest.mark.parametrize("values", [[1, 0.99, 0.98, 0.97, 0.1], [1, 0.3, 0.2, 0.1, 0]])
def test_legend_of_the_spectrum_hides_no_eigenvalue(values):
    display = SpectrumDisplay.from_predictions(values)
    display.figure_.draw_without_rendering()
    legend = display.legend_.get_window_extent()
    points = display.ax_.transData.transform(display.line_.get_xydata())
    assert not any(legend.contains(*point) for point in points)


def test_style_under_a_short_name_replaces_the_default(ax):
    display = SpectrumDisplay.from_predictions(EIGENVALUES, ax=ax, c="black", ms=1)
    assert display.line_.get_color() == "black"
    assert display.line_.get_markersize() == 1
