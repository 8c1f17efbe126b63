"""A law over all discretisers: a row is labelled by itself, to the last bit."""

import numpy as np
import pytest

from neuraleig.reading import Argmax, ClusterQR, NearestCentre

VALUES = np.linspace(1.0, 0.5, 24)


def argmax(functions, logits):
    return Argmax.from_scores(logits)


def cluster_qr(functions, logits):
    return ClusterQR.fit(functions, VALUES, 20, 2.0)


def nearest_centre(functions, logits):
    return NearestCentre(functions[:9].astype(float), 0.1, VALUES, 2.0)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("fit", [argmax, cluster_qr, nearest_centre])
def test_probabilities_of_a_row_do_not_depend_on_others(fit, order):
    generator = np.random.default_rng(0)
    functions = generator.normal(size=(300, 24)).astype(np.float32, order=order)
    logits = generator.normal(size=(300, 10)).astype(np.float32, order=order)
    discretizer = fit(functions, logits)
    together = discretizer.probabilities(functions, logits)
    np.testing.assert_allclose(together.sum(axis=1), 1.0)
    for size in (1, 2, 7, 64):
        part = slice(100, 100 + size)
        alone = discretizer.probabilities(functions[part], logits[part])
        np.testing.assert_array_equal(alone, together[part])
