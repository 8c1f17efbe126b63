"""Regression on exact eigenfunctions and labels: the warm start."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from neuraleig._batch import Batch, Outputs


def regression_loss(
    functions: Tensor, logits: Tensor, target_functions: Tensor, target_labels: Tensor
) -> Tensor:
    """Mean squared error of the functions plus cross-entropy of the labels.

    Parameters
    ----------
    functions : Tensor of shape (n_rows, n_functions)
        Outputs.
    logits : Tensor of shape (n_rows, n_clusters)
        Scores of the clusters.
    target_functions : Tensor of shape (n_rows, n_functions)
        Exact eigenfunctions, of unit mean square.
    target_labels : Tensor of shape (n_rows,), int64
        Labels read off them.

    Returns
    -------
    loss : Tensor
        Scalar, at least 0.
    """
    error = (functions - target_functions).square().mean()
    return error + F.cross_entropy(logits, target_labels)


class SpectralRegression:
    """Distance to known eigenfunctions and labels, see :func:`regression_loss`.

    Parameters
    ----------
    functions : Tensor of shape (n_targets, n_functions)
        Exact eigenfunctions.
    labels : Tensor of shape (n_targets,), int64
        Labels read off them.

    Notes
    -----
    Rows of a batch are looked up by ``batch.index``, which counts targets.
    """

    def __init__(self, functions: Tensor, labels: Tensor) -> None:
        self.functions = functions
        self.labels = labels

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of a batch."""
        index = batch.index
        return regression_loss(
            outputs.functions,
            outputs.logits,
            self.functions[index],
            self.labels[index],
        )
