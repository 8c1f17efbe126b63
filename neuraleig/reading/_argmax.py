"""Labels from the discrete head."""

from __future__ import annotations

import numpy as np

from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.reading._base import softmax


class Argmax:
    """Cluster of the largest score of the label head.

    Parameters
    ----------
    clusters : ndarray of shape (n_clusters,), int64
        Scores that count, in the order of the labels. Clusters that no training row
        belongs to are left out here.
    """

    needs_functions = False

    def __init__(self, clusters: IntArray) -> None:
        self.clusters = clusters

    @classmethod
    def from_scores(cls, logits: Array) -> Argmax:
        """Keep the clusters that some row belongs to.

        Parameters
        ----------
        logits : ndarray of shape (n_samples, n_scores)
            Scores of the label head for the training rows.

        Returns
        -------
        discretizer : Argmax
            Labels count the clusters that are kept, from 0.
        """
        # By the softmax: it may round scores that differ to a tie.
        return cls(np.unique(softmax(logits).argmax(axis=1)))

    def probabilities(self, functions: Array, logits: Array) -> FloatArray:
        """Softmax of the scores; see :meth:`Discretizer.probabilities`."""
        return softmax(logits[:, self.clusters])
