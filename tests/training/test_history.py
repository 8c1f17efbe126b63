"""A history says what a fit went through, and of no other fit."""

import math
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.training import BaseCallback, TrainingHistory, cosine_schedule

ROWS = np.random.default_rng(0).normal(size=(700, 3))
PARAMS = {
    "n_clusters": 4,
    "hidden_sizes": (16,),
    "training__max_iter": 120,
    "training__temperature": (1.0, 0.2),
    "random_state": 0,
}


class Witness(BaseCallback):
    """Remembers the state itself."""

    def __init__(self):
        self.states = {}
        self.lrs = {}

    def on_batch_end(self, state):
        self.states[state.phase] = state
        self.lrs.setdefault(state.phase, []).append(state.lr)


@pytest.fixture(scope="module")
def fitted():
    return (
        NeuralEigenSpectralClustering(callbacks=[TrainingHistory(), Witness()])
        .set_params(**PARAMS)
        .fit(ROWS)
    )


def test_every_step_of_both_phases_is_remembered(fitted):
    history, witness = fitted.callbacks
    assert list(history.phases) == ["warm_start", "fine_tuning"]
    assert history.phases["fine_tuning"].losses == fitted.loss_curve_
    for phase, record in history.phases.items():
        assert record.losses == witness.states[phase].losses
        assert record.lrs == witness.lrs[phase]
        assert record.scores == witness.states[phase].scores
        assert len(record.temperatures) == len(record.losses)


def test_temperatures_are_those_of_the_schedule(fitted):
    found = fitted.callbacks[0].phases["fine_tuning"].temperatures
    expected = [cosine_schedule(1.0, 0.2, step / 119) for step in range(len(found))]
    np.testing.assert_allclose(found, expected)


def test_scores_are_at_the_ends_of_epochs(fitted):
    record = fitted.callbacks[0].phases["fine_tuning"]
    n_steps = len(record.losses)
    assert record.score_steps == [0, *range(50, n_steps, 50), n_steps]
    assert fitted.callbacks[0].phases["warm_start"].scores == []


def test_another_fit_is_another_history(fitted):
    history = pickle.loads(pickle.dumps(fitted.callbacks[0]))
    model = clone(fitted).set_params(
        callbacks=[history], training__max_iter=0, n_clusters=3
    )
    model.fit(ROWS)
    assert list(history.phases) == ["warm_start"]
    # A clone has a history of its own.
    assert clone(fitted).callbacks[0] is not fitted.callbacks[0]


def test_a_fit_without_steps_empties_the_history_of_the_one_before(fitted):
    history = pickle.loads(pickle.dumps(fitted.callbacks[0]))
    former = history.fit_id
    blobs = np.repeat([[0.0], [9.0]], 40, axis=0)
    blobs = blobs + np.random.default_rng(0).normal(size=(80, 1), scale=0.1)
    NeuralEigenSpectralClustering(
        2, hidden_sizes=(16,), callbacks=[history], random_state=0
    ).fit(blobs)
    assert history.phases == {}
    assert history.fit_id != former


def test_any_callback_may_be_told_of_a_fit_without_steps():
    class Counter(BaseCallback):
        def __init__(self):
            self.fits = []

        def on_fit_begin(self, fit_id):
            self.fits.append(fit_id)

        def on_train_begin(self, state):
            raise AssertionError("there is no training")

    counter = Counter()
    blobs = np.repeat([[0.0], [9.0]], 40, axis=0)
    blobs = blobs + np.random.default_rng(0).normal(size=(80, 1), scale=0.1)
    model = NeuralEigenSpectralClustering(
        2, hidden_sizes=(16,), callbacks=[counter], random_state=0
    )
    for n_fits in (1, 2):
        model.fit(blobs)
        assert len(set(counter.fits)) == n_fits


def test_a_fit_that_goes_on_remembers_the_losses_of_the_first_attempt(tmp_path, fitted):
    class Crash(BaseCallback):
        def on_batch_begin(self, state):
            if state.phase == "fine_tuning" and state.step == 110:
                raise KeyboardInterrupt

    parameters = PARAMS | {
        "checkpoint": tmp_path / "fit",
        "training__checkpoint_interval": 50,
    }
    with pytest.raises(KeyboardInterrupt):
        NeuralEigenSpectralClustering(callbacks=[Crash()]).set_params(**parameters).fit(
            ROWS
        )
    history = TrainingHistory()
    NeuralEigenSpectralClustering(callbacks=[history]).set_params(**parameters).fit(
        ROWS
    )
    found = history.phases["fine_tuning"]
    whole = fitted.callbacks[0].phases["fine_tuning"]
    assert found.losses == whole.losses
    assert (found.scores, found.score_steps) == (whole.scores, whole.score_steps)
    # What the first process did not write down is not made up.
    assert all(map(math.isnan, found.lrs[:100]))
    assert found.lrs[100:] == whole.lrs[100:]
    assert found.temperatures[100:] == whole.temperatures[100:]
