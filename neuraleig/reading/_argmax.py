"""Labels from the discrete head."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import Array, IntArray
from neuraleig.reading._base import Discretizer, softmax


class Argmax(Discretizer):
    """Cluster of the largest score of the label head.

    Parameters
    ----------
    clusters : ndarray of shape (n_clusters,), int64
        Scores that count, in the order of the labels. Clusters that no training row
        belongs to are left out here.
    """

    needs_functions = False
    clusters: Tensor

    def __init__(self, clusters: IntArray) -> None:
        super().__init__()
        self.register_buffer("clusters", torch.tensor(clusters))

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
        everything = cls(np.arange(logits.shape[1]))
        probabilities = everything.probabilities(logits[:, :0], logits)
        return cls(np.unique(probabilities.argmax(axis=1)))

    @property
    def n_clusters(self) -> int:
        """Number of clusters that rows can get."""
        return len(self.clusters)

    def forward(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Softmax of the scores; see :meth:`Discretizer.forward`."""
        return softmax(logits[:, self.clusters])
