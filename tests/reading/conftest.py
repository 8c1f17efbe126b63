import numpy as np
import pytest
import scipy.sparse as sp

from neuraleig.affinity import Graph


@pytest.fixture(scope="session")
def planted_graph():
    """Maker of graphs whose nodes mostly have edges to nodes of the same label."""

    def make(labels, between=0.02, within=0.5, seed=0, uniform=0.0):
        labels = np.asarray(labels)
        generator = np.random.default_rng(seed)
        same = labels[:, None] == labels[None]
        share = np.where(same, within, between)
        drawn = np.triu(generator.random(share.shape) < share, 1)
        weights = drawn * generator.uniform(0.5, 1.0, share.shape)
        # A ring within every cluster: nobody is alone.
        for label in np.unique(labels):
            own = np.flatnonzero(labels == label)
            for one, other in zip(own, np.roll(own, -1), strict=True):
                if one != other:
                    weights[min(one, other), max(one, other)] = 1.0
        return Graph(sp.csr_array(weights + weights.T), np.arange(labels.size), uniform)

    return make
