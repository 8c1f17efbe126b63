"""Calibrated probabilities: labels stay, confidence follows agreement."""

import numpy as np
import pytest
import torch

from neuraleig.reading import Calibration
from neuraleig.reading._calibration import margin, own_clusters


def normalized(values):
    return values / values.sum(axis=1, keepdims=True)


@pytest.fixture
def rows():
    """Functions, scores, and probabilities of a discretiser, of 500 rows."""
    generator = np.random.default_rng(0)
    labels = generator.integers(4, size=500)
    functions = np.eye(4)[labels] + 0.4 * generator.normal(size=(500, 4))
    scores = np.eye(4)[labels] + 0.3 * generator.normal(size=(500, 4))
    return functions, scores, normalized(np.exp(5 * scores))


def fitted(rows, agreement=None, counts=None):
    functions, scores, shares = rows
    labels = shares.argmax(axis=1)
    if agreement is None:
        agreement = np.full(500, 0.8)
    return Calibration.fit(
        functions, scores, labels, 4, np.arange(500), agreement, counts, 0
    )


def test_labels_stay_and_rows_sum_to_one(rows):
    found = fitted(rows, np.full(500, 0.01)).probabilities(*rows)
    np.testing.assert_array_equal(found.argmax(axis=1), rows[2].argmax(axis=1))
    np.testing.assert_array_equal(
        found.astype(np.float32).argmax(axis=1), rows[2].argmax(axis=1)
    )
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)


def test_the_first_of_equal_shares_stays_the_label(rows):
    functions, scores, _ = rows
    shares = np.full((500, 4), 0.25)
    found = fitted(rows).probabilities(functions, scores, shares)
    assert not found.argmax(axis=1).any()


@pytest.mark.parametrize("level", [0.6, 0.8, 0.99])
def test_the_mean_is_the_agreement(rows, level):
    found = fitted(rows, np.full(500, level)).probabilities(*rows)
    assert abs(found.max(axis=1).mean() - level) < 0.03


def test_confidence_rises_with_the_margin_where_agreement_does(rows):
    functions, _, shares = rows
    own = own_clusters(torch.from_numpy(shares.argmax(axis=1)), 4)
    calibration = fitted(rows)
    margins = margin(torch.from_numpy(functions), calibration.function_centres, own)
    agreement = 1 / (1 + np.exp(-2 * margins.numpy()))
    found = fitted(rows, agreement).probabilities(*rows).max(axis=1)
    assert np.corrcoef(found, margins)[0, 1] > 0.7
    assert (fitted(rows, 1 - agreement).slopes == 0).all()


def test_others_share_the_rest_as_they_did(rows):
    found, shares = fitted(rows).probabilities(*rows), rows[2]
    own = np.eye(4, dtype=bool)[shares.argmax(axis=1)]
    rest, former = (normalized(np.where(own, 0, v)) for v in (found, shares))
    np.testing.assert_allclose(rest, former, atol=1e-9)


def test_a_row_is_alike_alone_and_in_company(rows):
    calibration = fitted(rows)
    together = calibration.probabilities(*rows)
    for i in (0, 7, 499):
        alone = calibration.probabilities(*(v[i : i + 1] for v in rows))
        np.testing.assert_array_equal(alone[0], together[i])


def test_counts_weigh_as_copies(rows):
    generator = np.random.default_rng(1)
    agreement, counts = generator.random(500), generator.integers(1, 4, size=500)
    functions, scores, shares = rows
    labels, nodes = shares.argmax(axis=1), np.arange(500)
    weighed = fitted(rows, agreement, counts)
    copied = Calibration.fit(
        functions,
        scores,
        labels,
        4,
        np.repeat(nodes, counts),
        np.repeat(agreement, counts),
        None,
        0,
    )
    # Deviations of the margins, which only set their unit, are those of the nodes.
    values = weighed.probabilities(*rows), copied.probabilities(*rows)
    np.testing.assert_allclose(*values, atol=0.02)


def test_one_cluster_is_certain(rows):
    functions, scores, _ = rows
    labels, nodes = np.zeros(500, dtype=np.int64), np.arange(500)
    calibration = Calibration.fit(
        functions, scores, labels, 1, nodes, np.ones(500), None, 0
    )
    found = calibration.probabilities(functions, scores, np.ones((500, 1)))
    assert (found == 1).all()


def test_far_rows_and_equal_rows_are_finite(rows):
    functions, scores, shares = rows
    far = fitted(rows).probabilities(1e30 * functions, 1e30 * scores, shares)
    assert np.isfinite(far).all()
    equal = tuple(np.repeat(v[:1], 500, axis=0) for v in rows)
    assert np.isfinite(fitted(equal).probabilities(*rows)).all()
