"""Reports of a fit to stderr and to a logger."""

import io
import logging
import sys

import numpy as np
import pytest

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering
from neuraleig._fit import STAGES

# One cloud: solved heads alone do not know its two halves.
ROWS = np.random.default_rng(0).normal(size=(60, 2))


def fitted(**parameters):
    model = NeuralEigenSpectralClustering(2, hidden_sizes=(8,), random_state=0)
    model.set_params(training__max_iter=2, **parameters)
    return model.fit(ROWS)


def test_stages_and_epochs_are_logged_whatever_verbose_is(caplog, capsys):
    with caplog.at_level(logging.DEBUG, logger="neuraleig"):
        fitted()
    stages = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert [line.partition(":")[0] for line in stages] == list(STAGES["spectral"])
    epochs = [r.getMessage() for r in caplog.records if r.levelno == logging.DEBUG]
    assert any("fine-tuning: step" in line for line in epochs)
    assert "neighbours: begins" in epochs
    assert capsys.readouterr().err == ""


def test_a_warm_start_without_steps_is_logged(caplog):
    apart = np.repeat([[0.0, 0.0], [90.0, 0.0]], 40, axis=0)
    with caplog.at_level(logging.INFO, logger="neuraleig"):
        NeuralEigenSpectralClustering(2, random_state=0).fit(
            apart + np.random.default_rng(0).normal(size=apart.shape)
        )
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("warm start: heads by least squares") for line in lines)


def test_lines_of_verbose_fits_are_those_that_are_logged(caplog, capsys):
    with caplog.at_level(logging.INFO, logger="neuraleig"):
        fitted(verbose=1)
    logged = [f"neuraleig: {record.getMessage()}" for record in caplog.records]
    assert capsys.readouterr().err.splitlines() == logged


def test_stages_of_images_are_logged(caplog):
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, 48:] = np.random.default_rng(0).integers(0, 255, (64, 48, 3))
    model = DenseSegmenter(2, backbone="color_texture", random_state=0)
    with caplog.at_level(logging.INFO, logger="neuraleig"):
        model.fit([image])
    logged = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert logged[:4] == ["backbone", "features", "neighbours", "eigenvectors"]


def test_the_logger_writes_nothing_by_itself():
    (handler,) = logging.getLogger("neuraleig").handlers
    assert isinstance(handler, logging.NullHandler)


def closed_stream():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [lambda: None, closed_stream])
def test_verbose_fits_without_stderr_are_those_with(monkeypatch, make):
    expected = fitted().labels_
    monkeypatch.setattr(sys, "stderr", make())
    np.testing.assert_array_equal(fitted(verbose=2).labels_, expected)
