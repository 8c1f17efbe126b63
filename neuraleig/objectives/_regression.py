"""Regression on exact eigenfunctions and labels, the loss of the warm start."""

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
        Outputs of the network.
    logits : Tensor of shape (n_rows, n_clusters)
        Scores of the clusters.
    target_functions : Tensor of shape (n_rows, n_functions)
        Exact eigenfunctions, of unit mean square.
    target_labels : Tensor of shape (n_rows,), int64
        Labels from these eigenfunctions.

    Returns
    -------
    loss : Tensor of shape ()
        Loss, at least 0.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import regression_loss
    >>> functions, logits = torch.ones(2, 1), torch.tensor([[50.0, 0.0], [0.0, 50.0]])
    >>> regression_loss(functions, logits, torch.zeros(2, 1), torch.tensor([0, 1]))
    tensor(1.)
    """
    error = (functions - target_functions).square().mean()
    return error + F.cross_entropy(logits, target_labels)


class SpectralRegression:
    """Regression on exact eigenfunctions and labels, see :func:`regression_loss`.

    Parameters
    ----------
    functions : Tensor of shape (n_targets, n_functions)
        Exact eigenfunctions.
    labels : Tensor of shape (n_targets,), int64
        Labels from these eigenfunctions.

    Notes
    -----
    ``batch.index`` has the index of the target of each row.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.objectives import SpectralRegression
    >>> objective = SpectralRegression(torch.zeros(5, 2), torch.tensor([0, 0, 1, 1, 1]))
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
