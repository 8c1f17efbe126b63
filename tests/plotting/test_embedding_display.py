"""Rows in the plane of eigenfunctions: what is drawn is what was computed."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.plotting import EmbeddingDisplay
from neuraleig.plotting._groups import LEGEND_MARK_SIZE
from neuraleig.plotting._palette import COLORS, colors_of, marker_of
from neuraleig.training import Training

PLANE = np.array([[0.0, 1.0], [0.5, 1.5], [2.0, -1.0], [2.5, -1.5]])


def axes():
    return Figure().subplots()


def offsets(display):
    return np.concatenate([np.asarray(s.get_offsets()) for s in display.scatters_])


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
    model = NeuralEigenSpectralClustering(
        3, training=Training(max_iter=0), random_state=0
    )
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


@pytest.mark.parametrize("convert", [sp.csr_array, sp.coo_matrix])
@pytest.mark.parametrize("subsample", [None, 50])
def test_embedding_reads_sparse_rows(clustering, rows, ax, convert, subsample):
    drawn = {"subsample": subsample, "random_state": 0}
    expected = EmbeddingDisplay.from_estimator(clustering, rows, **drawn)
    shown = EmbeddingDisplay.from_estimator(clustering, convert(rows), ax=ax, **drawn)
    np.testing.assert_array_equal(offsets(shown), offsets(expected))


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


def test_embedding_colours_by_label(ax, legend_texts):
    display = EmbeddingDisplay.from_predictions(PLANE, ["b", "a", "b", "c"], ax=ax)
    assert legend_texts(display) == ["a", "b", "c"]
    assert display.legend_.get_title().get_text() == "Label"
    for scatter, members, color in zip(
        display.scatters_, ([1], [0, 2], [3]), COLORS, strict=False
    ):
        np.testing.assert_array_equal(scatter.get_offsets(), PLANE[members])
        assert to_hex(scatter.get_facecolor()[0]) == color


def test_label_order_keeps_colours_where_labels_are_missing(ax, legend_texts):
    display = EmbeddingDisplay.from_predictions(
        PLANE, [2, 2, 0, 0], label_order=[2, 1, 0], ax=ax
    )
    assert legend_texts(display) == ["2", "0"]
    colours = [to_hex(s.get_facecolor()[0]) for s in display.scatters_]
    assert colours == [COLORS[0], COLORS[2]]


def test_every_label_looks_different_and_the_first_ten_have_fixed_colours():
    colors = colors_of(64)
    assert len(set(colors)) == 64
    assert tuple(colors[:10]) == COLORS
    # Beside the colour, a shape: neighbours in the order never share it.
    assert all(marker_of(n) != marker_of(n + 1) for n in range(64))


def test_legend_hides_no_row():
    display = EmbeddingDisplay.from_predictions(np.tile(PLANE, (10, 1)), np.arange(40))
    display.figure_.draw_without_rendering()
    legend = display.legend_.get_window_extent()
    assert legend.x0 >= display.ax_.get_window_extent().x1
    assert legend.x1 <= display.figure_.bbox.x1
    assert legend.y0 >= 0


def test_legend_is_left_out_where_it_would_not_help(ax):
    many = EmbeddingDisplay.from_predictions(
        np.tile(PLANE, (11, 1)), np.arange(44), ax=ax
    )
    assert many.legend_ is None
    unwanted = EmbeddingDisplay.from_predictions(
        PLANE, [0, 1, 0, 1], legend=False, ax=ax
    )
    assert unwanted.legend_ is ax.get_legend() is None


def test_embedding_passes_style_on(ax):
    display = EmbeddingDisplay.from_predictions(PLANE, ax=ax, s=3, alpha=0.5)
    (scatter,) = display.scatters_
    assert (scatter.get_sizes(), scatter.get_alpha()) == ([3], 0.5)


def test_rows_without_labels_take_a_label_and_styles_of_every_row(ax):
    display = EmbeddingDisplay.from_predictions(
        PLANE, ax=ax, label="rows", c=[0.0, 1.0, 2.0, 3.0], s=[1, 2, 3, 4]
    )
    (scatter,) = display.scatters_
    assert scatter.get_label() == "rows"
    np.testing.assert_array_equal(scatter.get_array(), [0, 1, 2, 3])
    np.testing.assert_array_equal(scatter.get_sizes(), [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ({"c": [0.0, 1.0, 2.0, 3.0, 4.0]}, r"^c has \(5,\) values"),
        ({"s": [1, 2, 3, 4]}, r"^s has \(4,\) values"),
        ({"label": "rows"}, "^label='rows' would be"),
    ],
)
def test_styles_of_every_row_do_not_go_with_labels(style, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_predictions(PLANE, [0, 1, 0, 1], **style)


def test_a_single_colour_goes_with_labels(ax):
    display = EmbeddingDisplay.from_predictions(
        PLANE, [0, 1, 0, 1], ax=ax, color=(0.0, 0.0, 0.0), s=[5]
    )
    for scatter in display.scatters_:
        assert to_hex(scatter.get_facecolor()[0]) == "#000000"


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
        ((PLANE,), {"components": 2}, "components=2 must be a tuple"),
        ((PLANE,), {"components": (2.0, 3.0)}, r"components=\(2.0, 3.0\) must be"),
        ((PLANE * np.nan,), {}, "embedding must be finite"),
        ((PLANE, [0, np.nan, 1, 1]), {}, "labels has 1 missing .* at row 1"),
        ((PLANE, ["a", "b", None, None]), {}, "labels has 2 missing .* at row 2"),
        ((PLANE, pd.array([0, pd.NA, 1, 1])), {}, "labels has 1 missing"),
        ((PLANE, [0, 1, 2, 3]), {"label_order": [0, 1]}, r"\[2, 3\]"),
        ((PLANE,), {"subsample": 0}, "subsample=0 must be"),
        ((PLANE,), {"subsample": 1.0}, "subsample=1.0 must be"),
        ((PLANE,), {"subsample": -0.5}, "subsample=-0.5 must be"),
        ((PLANE,), {"subsample": True}, "subsample=True must be"),
        ((PLANE,), {"subsample": "all"}, "subsample='all' must be"),
    ],
)
def test_embedding_refuses_what_does_not_match(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_predictions(*arguments, **options)


def test_a_single_function_is_drawn_against_the_number_of_the_row(rows, ax):
    model = NeuralEigenSpectralClustering(
        2, n_components=2, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    display = EmbeddingDisplay.from_estimator(model, rows, ax=ax)
    drawn = offsets(display)
    drawn = drawn[np.argsort(drawn[:, 1])]
    np.testing.assert_array_equal(drawn[:, 0], model.transform(rows)[:, 1])
    np.testing.assert_array_equal(drawn[:, 1], np.arange(len(rows)))
    assert ax.get_xlabel().startswith("Eigenfunction 2 ")
    assert ax.get_ylabel() == "Row"


@pytest.mark.parametrize(("subsample", "n_drawn"), [(30, 30), (0.25, 30), (None, 120)])
def test_rows_are_drawn_without_replacement_and_by_the_seed(
    clustering, rows, subsample, n_drawn
):
    def draw(seed):
        return EmbeddingDisplay.from_estimator(
            clustering, rows, subsample=subsample, random_state=seed, ax=axes()
        )

    display, again = draw(0), draw(0)
    assert len(np.unique(display.rows)) == len(display.rows) == n_drawn
    np.testing.assert_array_equal(display.rows, again.rows)
    functions = clustering.transform(rows)[display.rows]
    np.testing.assert_allclose(display.embedding, functions[:, 1:3], rtol=1e-6)
    np.testing.assert_array_equal(
        display.labels, clustering.predict(rows)[display.rows]
    )
    assert len(offsets(display)) == n_drawn
    if n_drawn < len(rows):
        assert not np.array_equal(display.rows, draw(1).rows)


def test_given_labels_follow_their_rows(clustering, rows, ax):
    labels = np.arange(len(rows)) % 5
    display = EmbeddingDisplay.from_estimator(
        clustering, rows, labels, subsample=7, random_state=3, ax=ax
    )
    np.testing.assert_array_equal(display.labels, labels[display.rows])
    # Colours are those of all labels, drawn or not.
    np.testing.assert_array_equal(display.label_order, np.arange(5))


def test_only_drawn_rows_are_evaluated(rows, ax):
    class Counting(NeuralEigenSpectralClustering):
        n_seen = 0

        def transform(self, X):
            Counting.n_seen += len(X)
            return super().transform(X)

    model = Counting(3, training=Training(max_iter=0), random_state=0).fit(rows)
    EmbeddingDisplay.from_estimator(model, rows, subsample=10, ax=ax)
    assert Counting.n_seen == 10


@pytest.mark.parametrize("of", [list, lambda X: pd.DataFrame(X, columns=list("abcd"))])
def test_rows_of_lists_and_frames_are_drawn(rows, of):
    X = of(rows)
    model = NeuralEigenSpectralClustering(
        3, training=Training(max_iter=0), random_state=0
    ).fit(X)
    display = EmbeddingDisplay.from_estimator(
        model, X, subsample=10, random_state=0, ax=axes()
    )
    np.testing.assert_array_equal(
        display.labels, np.asarray(model.predict(X))[display.rows]
    )


def test_streams_are_evaluated_as_a_whole_and_drawn_of(clustering, rows, ax):
    batches = [torch.from_numpy(rows[:70]), torch.from_numpy(rows[70:])]
    loader = DataLoader(torch.cat(batches), batch_size=50)
    display = EmbeddingDisplay.from_estimator(
        clustering, loader, subsample=9, random_state=0, ax=ax
    )
    expected = clustering.transform(rows)[display.rows, 1:3]
    np.testing.assert_allclose(display.embedding, expected, atol=1e-5)


@pytest.mark.parametrize("is_generator", [False, True])
def test_functions_and_labels_of_a_stream_are_those_of_the_same_pass(
    clustering, rows, is_generator
):
    X = torch.from_numpy(rows)
    shuffled = torch.utils.data.TensorDataset(X)
    loader = DataLoader(shuffled, batch_size=50, shuffle=True)
    stream = (batch for batch in loader) if is_generator else loader
    display = EmbeddingDisplay.from_estimator(clustering, stream, ax=axes())
    assert len(display.rows) == len(rows)
    functions, labels = clustering.transform(rows)[:, 1:3], clustering.predict(rows)
    distances = np.linalg.norm(display.embedding[:, None] - functions, axis=2)
    nearest = distances.argmin(axis=1)
    assert len(np.unique(nearest)) == len(rows)
    np.testing.assert_array_equal(display.labels, labels[nearest])


def test_a_stream_that_was_read_before_is_refused(clustering, rows):
    stream = iter([rows])
    EmbeddingDisplay.from_estimator(clustering, stream, ax=axes())
    with pytest.raises(ValueError, match="X is of type list_iterator and has no batch"):
        EmbeddingDisplay.from_estimator(clustering, stream)


def test_labels_that_are_too_few_are_refused_before_any_work(clustering, rows):
    with pytest.raises(ValueError, match=r"labels has shape \(3,\).*row of X"):
        EmbeddingDisplay.from_estimator(clustering, rows, [0, 1, 2], subsample=2)


def test_a_single_function_keeps_the_numbers_of_the_drawn_rows(ax):
    values = np.random.default_rng(0).normal(size=(50, 1))
    display = EmbeddingDisplay.from_predictions(
        values, subsample=5, random_state=0, ax=ax
    )
    (scatter,) = display.scatters_
    drawn = np.asarray(scatter.get_offsets())
    np.testing.assert_array_equal(drawn[:, 1], display.rows)
    np.testing.assert_array_equal(drawn[:, 0], values[display.rows, 0])


def test_many_rows_are_small_marks_in_one_picture():
    rows = np.random.default_rng(0).normal(size=(20_000, 2))
    few = EmbeddingDisplay.from_predictions(rows[:100], ax=axes())
    many = EmbeddingDisplay.from_predictions(rows, subsample=None, ax=axes())
    assert not few.scatters_[0].get_rasterized()
    assert many.scatters_[0].get_rasterized()
    assert many.scatters_[0].get_sizes() < few.scatters_[0].get_sizes()
    assert len(offsets(many)) == 20_000


def test_marks_of_the_legend_are_large_and_opaque(ax):
    rows = np.random.default_rng(0).normal(size=(20_000, 2))
    display = EmbeddingDisplay.from_predictions(
        rows, np.arange(20_000) % 2, subsample=None, ax=ax, alpha=0.1
    )
    for handle in display.legend_.legend_handles:
        assert handle.get_alpha() == 1.0
        assert handle.get_sizes() == [LEGEND_MARK_SIZE]
    assert display.scatters_[0].get_alpha() == 0.1


def test_clusters_keep_their_colour_where_others_do_not_occur(clustering, rows, ax):
    last = rows[clustering.predict(rows) == 2]
    display = EmbeddingDisplay.from_estimator(clustering, last, ax=ax)
    (scatter,) = display.scatters_
    assert to_hex(scatter.get_facecolor()[0]) == COLORS[2]


@pytest.mark.parametrize("n_labels", [12, 25, 40])
def test_legends_of_many_labels_stay_within_the_figure(n_labels):
    display = EmbeddingDisplay.from_predictions(
        np.tile(PLANE, (10, 1)), np.arange(40) % n_labels
    )
    display.figure_.draw_without_rendering()
    legend = display.legend_.get_window_extent()
    assert len(display.legend_.get_texts()) == n_labels
    assert legend.x1 <= display.figure_.bbox.x1
    assert legend.y0 >= 0
    assert display.ax_.get_window_extent().width > display.figure_.bbox.width / 3


@pytest.mark.parametrize("style", [{"c": "black"}, {"facecolor": "black"}])
def test_a_colour_under_another_name_replaces_the_default(ax, style):
    display = EmbeddingDisplay.from_predictions(PLANE, ax=ax, **style)
    assert to_hex(display.scatters_[0].get_facecolor()[0]) == "#000000"


def test_maps_of_images_are_refused_with_the_way_out(segmenter, pictures):
    with pytest.raises(TypeError, match=r"DenseSegmenter.*from_predictions"):
        EmbeddingDisplay.from_estimator(segmenter, pictures[0])
