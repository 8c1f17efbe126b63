"""What all displays have in common, in the manner of scikit-learn's."""

import inspect
import re
import sys

import matplotlib.pyplot as plt
import new_process
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import neuraleig.plotting
from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering
from neuraleig.plotting import (
    ClusterCurveDisplay,
    ClusterMapDisplay,
    ClusterSizesDisplay,
    EmbeddingDisplay,
    SegmentationDisplay,
    SpectrumDisplay,
    TrainingDisplay,
)
from neuraleig.training import Training

IMAGE = np.zeros((4, 6, 3), np.uint8)
LABELS = np.repeat([[0, 0, 1, 1, 1, 2]], 4, axis=0)
PLANE = np.array([[0.0, 1.0], [0.5, 1.5], [2.0, -1.0], [2.5, -1.5]])
# What from_predictions of every display takes.
GIVEN = {
    ClusterCurveDisplay: ([0.0, 0.2, 1.5, 0.3],),
    ClusterMapDisplay: (PLANE, [0, 1, 1, 0]),
    ClusterSizesDisplay: (LABELS,),
    EmbeddingDisplay: (PLANE, [0, 1, 1, 0]),
    SegmentationDisplay: (IMAGE, LABELS),
    SpectrumDisplay: ([1.0, 0.99, 0.98, 0.7, 0.6],),
    TrainingDisplay: ([3.0, 2.0, 1.5],),
}
DISPLAYS = list(GIVEN)


def of_all(display):
    """The parameter of a test, by its name."""
    return display.__name__


def test_no_display_is_left_out():
    public = {getattr(neuraleig.plotting, n) for n in neuraleig.plotting.__all__}
    assert public == set(DISPLAYS)


@pytest.mark.parametrize("display", DISPLAYS, ids=of_all)
def test_the_interface_is_that_of_scikit_learn(display):
    for name in ("from_estimator", "from_predictions"):
        method = getattr(display, name)
        assert inspect.ismethod(method)
        assert method.__doc__.count("Examples\n") == 1
        parameters = inspect.signature(method).parameters
        assert parameters["ax"].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters["ax"].default is None
    first = list(inspect.signature(display.plot).parameters.values())[1]
    assert (first.name, first.default) == ("ax", None)
    assert not hasattr(display, "from_values")


@pytest.mark.parametrize("display", DISPLAYS, ids=of_all)
def test_parameters_are_attributes_of_the_same_name(display):
    drawn = display.from_predictions(*GIVEN[display], ax=Figure().subplots())
    stored = list(inspect.signature(display).parameters)
    assert set(stored) <= set(vars(drawn))
    # What is drawn, and where, ends in an underscore.
    others = set(vars(drawn)) - set(stored)
    assert all(re.fullmatch(r"\w+_", name) for name in others)
    assert {"ax_", "figure_"} <= others


@pytest.mark.parametrize("display", DISPLAYS, ids=of_all)
def test_documented_attributes_are_those_of_a_plot(display):
    drawn = display.from_predictions(*GIVEN[display], ax=Figure().subplots())
    body = inspect.cleandoc(display.__doc__)
    body = body.partition("Attributes\n")[2].partition("See Also\n")[0]
    lines = re.findall(r"^([a-z_, ]+) : ", body, re.MULTILINE)
    documented = {name.strip() for line in lines for name in line.split(",")}
    assert documented == {n for n in dir(drawn) if n.endswith("_") and n[0] != "_"}


@pytest.mark.parametrize("display", DISPLAYS, ids=of_all)
def test_given_axes_are_drawn_on_and_pyplot_is_left_alone(display):
    figures = [Figure(), Figure()]
    axes = [figure.subplots() for figure in figures]
    drawn = display.from_predictions(*GIVEN[display], ax=axes[0])
    assert (drawn.ax_, drawn.figure_) == (axes[0], figures[0])
    # Anew, elsewhere: the same content.
    n_artists = len(axes[0].get_children())
    assert drawn.plot(axes[1]) is drawn
    assert (drawn.ax_, drawn.figure_) == (axes[1], figures[1])
    assert len(axes[1].get_children()) == n_artists
    assert plt.get_fignums() == []


@pytest.mark.parametrize("display", DISPLAYS, ids=of_all)
def test_without_axes_each_plot_gets_a_figure_of_its_own(display):
    current, _ = plt.subplots()
    n_before = len(current.axes[0].get_children())
    drawn = display.from_predictions(*GIVEN[display])
    first = drawn.figure_
    assert drawn.plot().figure_ is not first
    # As in scikit-learn, plt.show() shows them.
    assert len(plt.get_fignums()) == 3
    assert len(current.axes[0].get_children()) == n_before


@pytest.mark.parametrize("display", DISPLAYS, ids=of_all)
def test_settings_of_matplotlib_are_left_alone(display):
    before = dict(plt.rcParams)
    display.from_predictions(*GIVEN[display]).figure_.draw_without_rendering()
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize("display", DISPLAYS, ids=of_all)
def test_all_that_is_drawn_lies_within_the_figure(display):
    figure = display.from_predictions(*GIVEN[display]).figure_
    figure.draw_without_rendering()
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert box.x0 >= 0 and box.y0 >= 0
    assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1


ESTIMATORS = {
    ClusterMapDisplay: lambda m, X: ClusterMapDisplay.from_estimator(
        m, X, random_state=0
    ),
    ClusterSizesDisplay: lambda m, X: ClusterSizesDisplay.from_estimator(m),
    EmbeddingDisplay: EmbeddingDisplay.from_estimator,
    SpectrumDisplay: lambda m, X: SpectrumDisplay.from_estimator(m),
    TrainingDisplay: lambda m, X: TrainingDisplay.from_estimator(m),
}


@pytest.mark.parametrize("display", ESTIMATORS, ids=of_all)
def test_pipelines_that_end_in_an_estimator_are_drawn(display):
    X, _ = load_iris(return_X_y=True)
    model = NeuralEigenSpectralClustering(
        3, training=Training(max_iter=3), random_state=0
    )
    pipeline = make_pipeline(StandardScaler(), model).fit(X)
    drawn = ESTIMATORS[display](pipeline, X)
    scaled = pipeline[0].transform(X)
    alone = ESTIMATORS[display](pipeline[-1], scaled)
    for name in inspect.signature(display).parameters:
        np.testing.assert_equal(getattr(drawn, name), getattr(alone, name))


def test_pipelines_that_end_in_a_segmenter_are_drawn(segmenter, pictures):
    pipeline = make_pipeline(FunctionTransformer(), segmenter)
    drawn = SegmentationDisplay.from_estimator(pipeline, pictures[0])
    np.testing.assert_array_equal(drawn.labels, segmenter.predict(pictures[0]))
    sizes = ClusterSizesDisplay.from_estimator(pipeline, pictures)
    assert sizes.counts.sum() == 2 * 48 * 64


@pytest.mark.parametrize("display", ESTIMATORS, ids=of_all)
def test_estimators_must_be_fitted(display, rows):
    with pytest.raises(NotFittedError):
        ESTIMATORS[display](NeuralEigenSpectralClustering(3), rows)
    assert plt.get_fignums() == []


def test_segmenters_must_be_fitted(pictures):
    unfitted = DenseSegmenter(2, backbone="color_texture")
    with pytest.raises(NotFittedError):
        SegmentationDisplay.from_estimator(unfitted, pictures[0])
    with pytest.raises(NotFittedError):
        ClusterSizesDisplay.from_estimator(unfitted, pictures)


@pytest.mark.parametrize(
    ("display", "attribute"),
    [
        (ClusterMapDisplay, "eigenvalues_"),
        (EmbeddingDisplay, "eigenvalues_"),
        (SpectrumDisplay, "graph_eigenvalues_"),
        (TrainingDisplay, "loss_curve_"),
    ],
)
def test_estimators_of_others_are_refused_by_what_they_lack(display, attribute, rows):
    with pytest.raises(TypeError, match=f"KMeans, which has no {attribute}"):
        ESTIMATORS[display](KMeans(2, n_init=1).fit(rows), rows)


# Options that are out of range, and what the message says.
WRONG = [
    (ClusterSizesDisplay, {"orientation": "up"}, "orientation='up'"),
    (ClusterMapDisplay, {"subsample": 1.5}, "subsample=1.5"),
    (EmbeddingDisplay, {"subsample": 0}, "subsample=0"),
    (SegmentationDisplay, {"opacity": 1.5}, "opacity=1.5"),
    (SpectrumDisplay, {"suggested_n_clusters": 9}, "suggested_n_clusters=9"),
    (TrainingDisplay, {"yscale": "ln"}, "yscale='ln'"),
    (TrainingDisplay, {"smoothing": 1.0}, "smoothing=1.0"),
]


@pytest.mark.parametrize(("display", "options", "message"), WRONG)
def test_wrong_options_are_named_before_a_figure_is_made(display, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        display.from_predictions(*GIVEN[display], **options)
    assert plt.get_fignums() == []


def test_matplotlib_is_imported_when_something_is_drawn():
    code = (
        "import sys, neuraleig.cli, neuraleig.plotting as p;"
        "assert not any(m.startswith('matplotlib') for m in sys.modules);"
        "p.SpectrumDisplay.from_predictions([1.0, 0.9, 0.1]);"
        "assert 'matplotlib.pyplot' in sys.modules"
    )
    new_process.run(["-c", code], check=True)


@pytest.mark.parametrize("display", DISPLAYS, ids=of_all)
def test_missing_matplotlib_is_named_with_its_remedy(monkeypatch, display):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    remedy = "pip install matplotlib "
    with pytest.raises(ImportError, match=f"from_predictions needs.*{remedy}"):
        display.from_predictions(*GIVEN[display])
    # Before any prediction.
    with pytest.raises(ImportError, match=f"from_estimator needs.*{remedy}"):
        if display in (ClusterMapDisplay, EmbeddingDisplay, SegmentationDisplay):
            display.from_estimator(None, None)
        else:
            display.from_estimator(None)
