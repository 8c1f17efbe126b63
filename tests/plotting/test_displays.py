"""Displays: what is drawn is what was computed."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.plotting import EmbeddingDisplay, SpectrumDisplay
from neuraleig.plotting._palette import COLORS, MARKERS, style_of

mpl.use("Agg")

EIGENVALUES = [1.0, 0.99, 0.98, 0.7, 0.6]
PLANE = np.array([[0.0, 1.0], [0.5, 1.5], [2.0, -1.0], [2.5, -1.5]])


@pytest.fixture(scope="module")
def rows():
    X, _ = make_blobs(120, n_features=4, centers=3, cluster_std=3, random_state=0)
    return X


@pytest.fixture(scope="module")
def clustering(rows):
    return NeuralEigenSpectralClustering(
        3, n_components=6, max_iter=0, random_state=0
    ).fit(rows)


@pytest.fixture(scope="module")
def embedding(rows):
    return NeuralSpectralEmbedding(3, max_iter=0, random_state=0).fit(rows)


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def offsets(display):
    return np.concatenate([np.asarray(s.get_offsets()) for s in display.scatters_])


def legend_texts(display):
    return [text.get_text() for text in display.legend_.get_texts()]


# Spectrum


def test_spectrum_line_is_the_eigenvalues_counted_from_one(ax):
    display = SpectrumDisplay.from_values(EIGENVALUES, ax=ax)
    np.testing.assert_array_equal(display.line_.get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(display.line_.get_ydata(), EIGENVALUES)
    assert ax.get_xlabel() and ax.get_ylabel()


@pytest.mark.parametrize("suggestion", [1, 2, 4])
def test_spectrum_marks_the_gap_after_the_suggestion(ax, suggestion):
    display = SpectrumDisplay.from_values(
        EIGENVALUES, suggested_n_clusters=suggestion, ax=ax
    )
    assert set(display.suggestion_.get_xdata()) == {suggestion + 0.5}
    np.testing.assert_array_equal(
        display.gap_.get_xdata(), [suggestion, suggestion + 1]
    )
    np.testing.assert_array_equal(
        display.gap_.get_ydata(), EIGENVALUES[suggestion - 1 : suggestion + 1]
    )
    assert legend_texts(display) == [f"Suggested number of clusters: {suggestion}"]


def test_spectrum_marks_nothing_without_a_suggestion(ax):
    display = SpectrumDisplay.from_values(EIGENVALUES, ax=ax)
    assert display.suggested_n_clusters is None
    assert display.gap_ is display.suggestion_ is display.legend_ is None
    assert len(ax.lines) == 1


def test_spectrum_of_estimators_has_their_eigenvalues_and_suggestion(
    clustering, embedding
):
    pipeline = make_pipeline(StandardScaler(), clustering)
    suggestion = clustering.suggested_n_clusters_
    for estimator, final, expected in [
        (clustering, clustering, suggestion),
        (pipeline, clustering, suggestion),
        (embedding, embedding, None),
    ]:
        display = SpectrumDisplay.from_estimator(estimator, ax=Figure().subplots())
        np.testing.assert_array_equal(
            display.line_.get_ydata(), final.graph_eigenvalues_
        )
        assert display.suggested_n_clusters == expected


def test_spectrum_of_a_default_fit_marks_the_gap_after_its_clusters(ax):
    X, _ = make_blobs(160, centers=np.eye(4) * 20, random_state=0)
    model = NeuralEigenSpectralClustering(4, max_iter=0, random_state=0).fit(X)
    display = SpectrumDisplay.from_estimator(model, ax=ax)
    assert display.suggested_n_clusters == 4
    assert display.gap_ is not None


def test_spectrum_of_two_eigenvalues_suggests_nothing(rows, ax):
    model = NeuralEigenSpectralClustering(
        2, n_components=2, max_iter=0, random_state=0
    ).fit(rows)
    assert SpectrumDisplay.from_estimator(model, ax=ax).gap_ is None


def test_spectrum_passes_style_on(ax):
    display = SpectrumDisplay.from_values(EIGENVALUES, ax=ax, color="black", marker="x")
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
        SpectrumDisplay.from_values(values)


@pytest.mark.parametrize("suggestion", [0, 5, -1])
def test_spectrum_refuses_suggestions_without_a_gap(suggestion):
    with pytest.raises(ValueError, match=f"suggested_n_clusters={suggestion}"):
        SpectrumDisplay.from_values(EIGENVALUES, suggested_n_clusters=suggestion)


# Embedding


def test_embedding_draws_the_functions_after_the_constant(clustering, rows, ax):
    display = EmbeddingDisplay.from_estimator(clustering, rows, ax=ax)
    functions = clustering.transform(rows)
    labels = clustering.predict(rows)
    for label, scatter in enumerate(display.scatters_):
        np.testing.assert_array_equal(
            scatter.get_offsets(), functions[labels == label, 1:3]
        )
        assert scatter.get_label() == str(label)
    second, third = clustering.eigenvalues_[1:3]
    assert ax.get_xlabel() == f"Eigenfunction 2 (eigenvalue {second:.4f})"
    assert ax.get_ylabel() == f"Eigenfunction 3 (eigenvalue {third:.4f})"
    assert display.legend_.get_title().get_text() == "Cluster"


def test_embedding_of_an_estimator_that_leaves_the_constant_out(embedding, rows, ax):
    display = EmbeddingDisplay.from_estimator(embedding, rows, ax=ax)
    np.testing.assert_array_equal(offsets(display), embedding.transform(rows)[:, :2])
    assert f"{embedding.eigenvalues_[1]:.4f}" in ax.get_xlabel()
    # It does not predict: all rows look alike and there is nothing to explain.
    assert len(display.scatters_) == 1
    assert display.legend_ is None


def test_embedding_of_a_pipeline_is_that_of_its_transformed_rows(rows, ax):
    model = NeuralEigenSpectralClustering(3, max_iter=0, random_state=0)
    pipeline = make_pipeline(StandardScaler(), model).fit(rows)
    display = EmbeddingDisplay.from_estimator(pipeline, rows, ax=ax)
    order = np.argsort(pipeline.predict(rows), kind="stable")
    np.testing.assert_array_equal(
        offsets(display), pipeline.transform(rows)[order, 1:3]
    )


def test_embedding_reads_data_frames(clustering, rows, ax):
    expected = offsets(EmbeddingDisplay.from_estimator(clustering, rows, ax=ax))
    try:
        clustering.set_output(transform="pandas")
        shown = EmbeddingDisplay.from_estimator(clustering, rows, ax=ax)
    finally:
        clustering.set_output(transform="default")
    np.testing.assert_array_equal(offsets(shown), expected)


def test_embedding_draws_other_functions_on_request(clustering, rows, ax):
    display = EmbeddingDisplay.from_estimator(
        clustering, rows, np.zeros(len(rows)), components=(5, 3), ax=ax
    )
    np.testing.assert_array_equal(
        offsets(display), clustering.transform(rows)[:, [4, 2]]
    )
    assert ax.get_xlabel().startswith("Eigenfunction 5 ")
    assert ax.get_ylabel().startswith("Eigenfunction 3 ")
    assert f"{clustering.eigenvalues_[4]:.4f}" in ax.get_xlabel()


def test_embedding_colours_by_label(ax):
    display = EmbeddingDisplay.from_values(PLANE, ["b", "a", "b", "c"], ax=ax)
    assert legend_texts(display) == ["a", "b", "c"]
    assert display.legend_.get_title().get_text() == "Label"
    for scatter, members, color in zip(
        display.scatters_, ([1], [0, 2], [3]), COLORS, strict=False
    ):
        np.testing.assert_array_equal(scatter.get_offsets(), PLANE[members])
        assert to_hex(scatter.get_facecolor()[0]) == color


def test_label_order_keeps_colours_where_labels_are_missing(ax):
    display = EmbeddingDisplay.from_values(
        PLANE, [2, 2, 0, 0], label_order=[2, 1, 0], ax=ax
    )
    assert legend_texts(display) == ["2", "0"]
    colours = [to_hex(s.get_facecolor()[0]) for s in display.scatters_]
    assert colours == [COLORS[0], COLORS[2]]


def test_every_label_looks_different():
    looks = {style_of(position) for position in range(len(COLORS) * len(MARKERS))}
    assert len(looks) == len(COLORS) * len(MARKERS)


def test_legend_hides_no_row():
    display = EmbeddingDisplay.from_values(np.tile(PLANE, (10, 1)), np.arange(40))
    display.figure_.draw_without_rendering()
    legend = display.legend_.get_window_extent()
    assert legend.x0 >= display.ax_.get_window_extent().x1
    assert legend.x1 <= display.figure_.bbox.x1
    assert legend.y0 >= 0


def test_legend_is_left_out_where_it_would_not_help(ax):
    many = EmbeddingDisplay.from_values(np.tile(PLANE, (11, 1)), np.arange(44), ax=ax)
    assert many.legend_ is None
    unwanted = EmbeddingDisplay.from_values(PLANE, [0, 1, 0, 1], legend=False, ax=ax)
    assert unwanted.legend_ is ax.get_legend() is None


def test_embedding_passes_style_on(ax):
    display = EmbeddingDisplay.from_values(PLANE, ax=ax, s=3, alpha=0.5)
    (scatter,) = display.scatters_
    assert (scatter.get_sizes(), scatter.get_alpha()) == ([3], 0.5)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1.0, 2.0],), {}, "embedding has shape"),
        ((PLANE[:, :0],), {}, "embedding has shape"),
        ((PLANE, [0, 1]), {}, r"labels has shape \(2,\)"),
        ((PLANE, [[0], [1], [0], [1]]), {}, "labels has shape"),
        ((PLANE,), {"eigenvalues": [0.9]}, "eigenvalues has shape"),
        ((PLANE,), {"components": (1, 2)}, r"components=\(1, 2\)"),
        ((PLANE,), {"components": (2, 4)}, r"components=\(2, 4\)"),
        ((PLANE,), {"components": (2, 3, 2)}, "components"),
        ((PLANE,), {"components": ()}, "components"),
        ((PLANE, [0, 1, 2, 3]), {"label_order": [0, 1]}, r"\[2, 3\]"),
    ],
)
def test_embedding_refuses_what_does_not_match(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_values(*arguments, **options)


def test_a_single_function_is_drawn_against_the_number_of_the_row(rows, ax):
    model = NeuralEigenSpectralClustering(
        2, n_components=2, max_iter=0, random_state=0
    ).fit(rows)
    display = EmbeddingDisplay.from_estimator(model, rows, ax=ax)
    drawn = offsets(display)
    drawn = drawn[np.argsort(drawn[:, 1])]
    np.testing.assert_array_equal(drawn[:, 0], model.transform(rows)[:, 1])
    np.testing.assert_array_equal(drawn[:, 1], np.arange(len(rows)))
    assert ax.get_xlabel().startswith("Eigenfunction 2 ")
    assert ax.get_ylabel() == "Row"


# Both


@pytest.mark.parametrize(
    "draw",
    [
        lambda estimator, rows: SpectrumDisplay.from_estimator(estimator),
        EmbeddingDisplay.from_estimator,
    ],
)
def test_estimators_must_be_fitted_and_have_eigenvalues(draw, rows):
    with pytest.raises(NotFittedError):
        draw(NeuralEigenSpectralClustering(3), rows)
    with pytest.raises(TypeError, match=r"KMeans, which has no (graph_)?eigenvalues_"):
        draw(KMeans(2, n_init=1).fit(rows), rows)


@pytest.mark.parametrize(
    "display",
    [
        SpectrumDisplay(np.array(EIGENVALUES), suggested_n_clusters=3),
        EmbeddingDisplay(PLANE),
    ],
)
def test_given_axes_are_drawn_on_and_pyplot_is_left_alone(display):
    import matplotlib.pyplot as plt

    figure = Figure()
    axes = figure.subplots()
    assert display.plot(ax=axes) is display
    assert (display.ax_, display.figure_) == (axes, figure)
    assert display.plot(ax=axes).figure_ is figure
    assert plt.get_fignums() == []


def test_without_axes_each_display_gets_a_figure_of_its_own():
    import matplotlib.pyplot as plt

    current, _ = plt.subplots()
    n_before = len(current.axes[0].get_children())
    first = SpectrumDisplay.from_values(EIGENVALUES)
    second = EmbeddingDisplay.from_values(PLANE)
    assert len({current, first.figure_, second.figure_}) == 3
    # As in scikit-learn, plt.show() shows them.
    assert len(plt.get_fignums()) == 3
    assert len(current.axes[0].get_children()) == n_before


def test_matplotlib_is_imported_when_something_is_drawn():
    code = (
        "import sys, neuraleig.cli, neuraleig.plotting as p;"
        "assert not any(m.startswith('matplotlib') for m in sys.modules);"
        "p.SpectrumDisplay.from_values([1.0, 0.9, 0.1]);"
        "assert 'matplotlib.pyplot' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: SpectrumDisplay.from_values(EIGENVALUES),
        lambda: EmbeddingDisplay.from_values(PLANE),
    ],
)
def test_missing_matplotlib_is_named_with_its_remedy(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "neuraleig\[plot\]"'):
        draw()
