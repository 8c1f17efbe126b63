"""Trainings: curves are what was recorded, and nothing is said to have been nothing."""

import copy
import pickle
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from neuraleig import (
    DenseSegmenter,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
)
from neuraleig.plotting import TrainingDisplay
from neuraleig.plotting._curves import smoothed
from neuraleig.training import BaseCallback, Training, TrainingHistory

LOSSES = [3.0, 2.5, 1.0, 2.0, 0.5]
SMALL = {"hidden_sizes": (16,), "random_state": 0}


@pytest.fixture(scope="module")
def many_rows():
    return np.random.default_rng(0).normal(size=(700, 3))


@pytest.fixture(scope="module")
def recorded(many_rows):
    """A fit with both phases, held-out edges and an annealed temperature."""
    model = NeuralEigenSpectralClustering(
        4,
        training=Training(max_iter=120, temperature=(1.0, 0.2)),
        callbacks=[TrainingHistory()],
        **SMALL,
    )
    return model.fit(many_rows)


def test_the_line_is_the_losses_counted_from_one(ax):
    display = TrainingDisplay.from_predictions(LOSSES, ax=ax)
    np.testing.assert_array_equal(display.loss_line_.get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(display.loss_line_.get_ydata(), LOSSES)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Step", "Loss")
    # A single line explains itself.
    assert display.legend_ is display.smoothed_line_ is display.best_ is None
    assert display.validation_ax_ is display.temperature_ax_ is None


def test_a_smoothed_curve_is_shown_as_such_over_the_losses(ax, legend_texts):
    display = TrainingDisplay.from_predictions(LOSSES, smoothing=0.6, ax=ax)
    np.testing.assert_array_equal(display.loss_line_.get_ydata(), LOSSES)
    np.testing.assert_allclose(
        display.smoothed_line_.get_ydata(), smoothed(np.array(LOSSES), 0.6)
    )
    assert display.loss_line_.get_alpha() < 1
    assert legend_texts(display) == ["Loss", "Smoothed loss (weight 0.6)"]


def test_smoothing_is_a_weighted_mean():
    values = np.random.default_rng(0).normal(size=30)
    for weight in (0.1, 0.9):
        for n in (1, 2, 30):
            weights = weight ** np.arange(n)[::-1]
            expected = np.average(values[:n], weights=weights)
            assert smoothed(values, weight)[n - 1] == pytest.approx(expected)
    np.testing.assert_allclose(smoothed(np.full(9, 4.0), 0.99), 4.0)


@pytest.mark.parametrize(
    ("losses", "yscale", "expected"),
    [
        ([100.0, 1.0], "auto", "log"),
        ([10.0, 1.0], "auto", "linear"),
        ([100.0, 0.0], "auto", "linear"),
        ([100.0, -1.0], "auto", "linear"),
        ([10.0, 1.0], "log", "log"),
        ([100.0, 1.0], "linear", "linear"),
    ],
)
def test_losses_that_fall_far_are_on_a_logarithmic_axis(ax, losses, yscale, expected):
    TrainingDisplay.from_predictions(losses, yscale=yscale, ax=ax)
    assert ax.get_yscale() == expected


def test_held_out_scores_have_an_axis_of_their_own_and_the_best_is_marked(
    ax, legend_texts
):
    display = TrainingDisplay.from_predictions(
        LOSSES, validation_steps=[0, 3, 5], validation_scores=[40, 10, 30.0], ax=ax
    )
    line, best = display.validation_line_, display.best_
    np.testing.assert_array_equal(line.get_xydata(), [[0, 40], [3, 10], [5, 30]])
    np.testing.assert_array_equal(best.get_xydata(), [[3, 10]])
    assert line.axes is display.validation_ax_ is not ax
    assert line.axes.get_ylabel() == "Validation objective"
    assert legend_texts(display) == [
        "Loss",
        "Validation (right axis)",
        "Lowest: step 3",
    ]


@pytest.mark.parametrize("is_placed", [False, True])
def test_temperatures_have_a_panel_below_that_hides_nothing(is_placed):
    figure = Figure()
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8)) if is_placed else figure.subplots()
    before = ax.get_position()
    temperatures = np.linspace(1, 0.2, 5)
    display = TrainingDisplay.from_predictions(
        LOSSES,
        temperatures=temperatures,
        validation_steps=[1],
        validation_scores=[1.0],
        ax=ax,
    )
    panel = display.temperature_ax_
    np.testing.assert_array_equal(display.temperature_line_.get_ydata(), temperatures)
    assert (panel.get_ylabel(), panel.get_xlabel()) == ("Temperature", "Step")
    upper, lower = ax.get_position(), panel.get_position()
    assert not upper.overlaps(lower)
    assert upper.y1 == pytest.approx(before.y1)
    assert lower.y0 == pytest.approx(before.y0)
    assert panel.get_xlim() == ax.get_xlim()
    np.testing.assert_allclose(
        display.validation_ax_.get_position().bounds, upper.bounds
    )


def test_axes_that_are_drawn_on_again_are_divided_once(ax):
    held_out = {"validation_steps": [1], "validation_scores": [1.0]}
    display = TrainingDisplay.from_predictions(LOSSES, ax=ax, **held_out)
    twin = display.validation_ax_
    display = TrainingDisplay.from_predictions(
        LOSSES, temperatures=np.linspace(1, 0.2, 5), ax=ax, **held_out
    )
    panel, bounds = display.temperature_ax_, ax.get_position().bounds
    display.plot(ax)
    TrainingDisplay.from_predictions(LOSSES, ax=ax)
    assert ax.figure.axes == [ax, twin, panel]
    assert ax.get_position().bounds == twin.get_position().bounds == bounds
    assert (ax.get_xlabel(), len(panel.lines)) == ("", 2)
    # What was removed is made anew.
    panel.remove()
    assert display.plot(ax).temperature_ax_ is not panel


def test_no_step_is_said_to_be_none(ax):
    display = TrainingDisplay.from_predictions(
        [], validation_steps=[0], validation_scores=[1.0], smoothing=0.5, ax=ax
    )
    assert display.empty_.get_text() == "No step of training."
    assert display.loss_line_ is display.legend_ is display.smoothed_line_ is None
    assert len(ax.lines) == 0


def test_a_warm_start_alone_is_an_empty_curve_and_no_error(clustering, embedding, ax):
    for model in (clustering, embedding):
        assert model.loss_curve_ == []
        display = TrainingDisplay.from_estimator(model, ax=Figure().subplots())
        assert "No step of fine-tuning" in display.empty_.get_text()
    display.plot(ax, yscale="log")
    assert "No step of fine-tuning" in display.empty_.get_text()


def test_the_empty_state_is_not_kept_by_the_next_plot(ax):
    display = TrainingDisplay.from_predictions([])
    display.loss_curve = np.array(LOSSES)
    assert display.plot(ax).empty_ is None


def test_estimators_without_a_history_have_their_loss_curve(many_rows, pictures):
    models = [
        NeuralEigenSpectralClustering(3, training=Training(max_iter=5), **SMALL).fit(
            many_rows
        ),
        NeuralSpectralEmbedding(2, training=Training(max_iter=5), **SMALL).fit(
            many_rows
        ),
        DenseSegmenter(
            2,
            backbone="color_texture",
            clusterer=NeuralEigenSpectralClustering(training=Training(max_iter=5)),
            random_state=0,
        ).fit(pictures),
    ]
    for model in models:
        display = TrainingDisplay.from_estimator(model, ax=Figure().subplots())
        assert len(model.loss_curve_) == 5
        np.testing.assert_array_equal(display.loss_line_.get_ydata(), model.loss_curve_)
        assert display.validation_scores is display.temperatures is None


def test_a_history_adds_what_was_held_out_and_the_temperatures(recorded, ax):
    display = TrainingDisplay.from_estimator(recorded, ax=ax)
    np.testing.assert_array_equal(display.loss_curve, recorded.loss_curve_)
    assert display.validation_steps[:3].tolist() == [0, 50, 100]
    assert len(display.validation_steps) == len(display.validation_scores)
    assert display.temperatures[0] == 1.0
    assert np.all(np.diff(display.temperatures) <= 0)


def test_a_constant_temperature_is_not_drawn(many_rows, ax):
    model = NeuralEigenSpectralClustering(
        3, training=Training(max_iter=5), callbacks=[TrainingHistory()], **SMALL
    ).fit(many_rows)
    assert TrainingDisplay.from_estimator(model, ax=ax).temperature_line_ is None


def test_the_warm_start_is_drawn_where_it_was_recorded(recorded, clustering, ax):
    (history,) = recorded.callbacks
    display = TrainingDisplay.from_estimator(recorded, phase="warm_start", ax=ax)
    losses = history.phases["warm_start"].losses
    assert len(losses) > 0
    np.testing.assert_array_equal(display.loss_line_.get_ydata(), losses)
    with pytest.raises(ValueError, match=r"phase='warm_start'.*TrainingHistory"):
        TrainingDisplay.from_estimator(clustering, phase="warm_start")


def test_a_warm_start_without_steps_is_said_to_have_none(rows, ax):
    model = NeuralSpectralEmbedding(
        2,
        training=Training(init="random", max_iter=3),
        callbacks=[TrainingHistory()],
        **SMALL,
    ).fit(rows)
    display = TrainingDisplay.from_estimator(model, phase="warm_start", ax=ax)
    assert "No step of a warm start" in display.empty_.get_text()


def test_a_history_of_another_fit_is_not_taken_for_this_one(recorded, many_rows, ax):
    model = copy.deepcopy(recorded)
    history = model.callbacks[0]
    NeuralEigenSpectralClustering(
        2, training=Training(max_iter=4), callbacks=[history], **SMALL
    ).fit(many_rows)
    display = TrainingDisplay.from_estimator(model, ax=ax)
    np.testing.assert_array_equal(display.loss_curve, model.loss_curve_)
    assert display.validation_scores is None


def test_a_fit_without_any_step_has_none_of_the_fit_before(recorded, ax):
    later = copy.deepcopy(recorded)
    blobs = np.repeat([[0.0], [9.0]], 40, axis=0)
    blobs = blobs + np.random.default_rng(0).normal(size=(80, 1), scale=0.1)
    later.set_params(n_clusters=2, training__max_iter=None).fit(blobs)
    assert (later.loss_curve_, later.n_iter_) == ([], 1)
    assert later.callbacks[0].phases == {}
    display = TrainingDisplay.from_estimator(later, phase="warm_start", ax=ax)
    assert "No step of a warm start" in display.empty_.get_text()


def test_fits_that_skipped_fine_tuning_are_told_apart(many_rows, ax):
    history = TrainingHistory()
    options = SMALL | {"training__max_iter": 0, "callbacks": [history]}
    first = NeuralEigenSpectralClustering(4).set_params(**options).fit(many_rows)
    second = NeuralEigenSpectralClustering(4).set_params(**options).fit(many_rows)
    assert first.loss_curve_ == second.loss_curve_ == []
    display = TrainingDisplay.from_estimator(second, phase="warm_start", ax=ax)
    assert display.loss_curve.tolist() == history.phases["warm_start"].losses
    with pytest.raises(ValueError, match="not recorded in this fit"):
        TrainingDisplay.from_estimator(first, phase="warm_start")


def test_a_history_of_a_fit_that_failed_is_not_that_of_the_fit_before(recorded):
    class Failing(BaseCallback):
        def on_batch_end(self, state):
            raise KeyboardInterrupt

    model = copy.deepcopy(recorded)
    rows = np.random.default_rng(1).normal(size=(300, 3))
    model.callbacks.append(Failing())
    with pytest.raises(KeyboardInterrupt):
        model.fit(rows)
    with pytest.raises(ValueError, match="not recorded in this fit"):
        TrainingDisplay.from_estimator(model, phase="warm_start")


def test_a_segmenter_knows_its_history(pictures, ax):
    model = DenseSegmenter(
        2,
        backbone="color_texture",
        clusterer=NeuralEigenSpectralClustering(training=Training(max_iter=3)),
        callbacks=[TrainingHistory()],
        random_state=0,
    ).fit(pictures)
    display = TrainingDisplay.from_estimator(model, ax=ax)
    losses = model.callbacks[0].phases["fine_tuning"].losses
    assert display.loss_curve.tolist() == losses != []


def test_a_pickled_estimator_is_drawn_alike(recorded, ax):
    display = TrainingDisplay.from_estimator(
        pickle.loads(pickle.dumps(recorded)), ax=ax
    )
    expected = TrainingDisplay.from_estimator(recorded)
    np.testing.assert_array_equal(display.loss_curve, expected.loss_curve)
    np.testing.assert_array_equal(display.validation_scores, expected.validation_scores)


def test_the_legend_hides_no_curve(recorded):
    display = TrainingDisplay.from_estimator(recorded, smoothing=0.5)
    display.figure_.draw_without_rendering()
    legend = display.legend_.get_window_extent()
    assert legend.y0 >= display.ax_.get_window_extent().y1
    assert legend.y1 <= display.figure_.bbox.y1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss_curve": [[1.0]]}, "loss_curve has shape (1, 1)"),
        ({"loss_curve": [1.0, np.nan]}, "loss_curve must be finite"),
        ({"validation_steps": [1]}, "validation_steps and validation_scores"),
        ({"validation_scores": [1]}, "validation_steps and validation_scores"),
        (
            {"validation_steps": [1, 2], "validation_scores": [1.0]},
            "validation_steps has shape (2,); it must be (1,)",
        ),
        (
            {"validation_steps": [1], "validation_scores": [np.inf]},
            "validation_scores must be finite",
        ),
        ({"temperatures": [1.0]}, "temperatures has shape (1,); it must be (5,)"),
        ({"yscale": "sqrt"}, "yscale='sqrt'"),
        ({"yscale": "log", "loss_curve": [1.0, 0.0]}, "yscale='log' needs positive"),
        ({"smoothing": 0}, "smoothing=0"),
        ({"smoothing": "a lot"}, "smoothing='a lot'"),
    ],
)
def test_what_does_not_go_together_is_refused(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TrainingDisplay.from_predictions(**{"loss_curve": LOSSES} | given)


def test_unknown_phases_are_named(clustering):
    with pytest.raises(ValueError, match="phase='training'"):
        TrainingDisplay.from_estimator(clustering, phase="training")


def test_style_is_passed_on(ax):
    display = TrainingDisplay.from_predictions(LOSSES, ax=ax, c="black", lw=3)
    line = display.loss_line_
    assert (line.get_color(), line.get_linewidth()) == ("black", 3)
