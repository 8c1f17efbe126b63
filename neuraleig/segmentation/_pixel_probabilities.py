"""Probabilities of clusters, at the tokens and at the pixels of an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from neuraleig._typing import IntArray
from neuraleig.segmentation.inference import Lattice
from neuraleig.segmentation.inference._upsample import probabilities_in_strips


def merged_scores(scores: Tensor, groups: IntArray) -> Tensor:
    """Scores (..., n_groups) of unions of clusters, from scores (..., n_clusters).

    ``groups`` holds the union of every cluster, from 0. Probabilities of a union, by
    the softmax of the scores, are the sums of its members'; other scores stay.
    """
    n_groups = int(groups.max()) + 1
    if n_groups == groups.size:
        return scores[..., torch.from_numpy(np.argsort(groups)).to(scores.device)]
    found = [torch.from_numpy(np.flatnonzero(groups == g)) for g in range(n_groups)]
    members = [own.to(scores.device) for own in found]
    return torch.stack([scores[..., m].logsumexp(dim=-1) for m in members], dim=-1)


@dataclass(frozen=True)
class PixelProbabilities:
    """Probabilities of all clusters at the pixels of one image, computed when read.

    ``predict_proba`` makes them; ``numpy.asarray`` computes all at once.

    Parameters
    ----------
    scores : Tensor of shape (h, w, n_clusters)
        Scores of the tokens, on the device where probabilities are computed.
    lattice : Lattice
        Positions of the tokens.
    size : (int, int)
        Height and width of the image.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from neuraleig.segmentation import PixelProbabilities
    >>> from neuraleig.segmentation.inference import Lattice
    >>> scores = torch.zeros(2, 2, 5)
    >>> lazy = PixelProbabilities(scores, Lattice.of(16, 16, 8), (16, 16))
    >>> lazy.shape, np.asarray(lazy).sum(axis=2).max().round(4)
    ((16, 16, 5), np.float32(1.0))
    """

    scores: Tensor
    lattice: Lattice
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and number of clusters."""
        return (*self.size, int(self.scores.shape[2]))

    def strips(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Compute the probabilities strip by strip, for images that need memory.

        Returns
        -------
        strips : iterator of (slice, ndarray of shape (n_rows, width, n_clusters))
            Rows of the image, and the probabilities there: at most 16 MiB at a time.
        """
        return probabilities_in_strips(self.scores, self.lattice, self.size)

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.floating[Any]]:
        """All probabilities at once; ValueError for ``copy=False``."""
        if copy is False:
            raise ValueError(
                "copy=False cannot be had: probabilities are computed when they are "
                "read, into an array of their own; pass copy=None, or read strips()."
            )
        probabilities = np.empty(self.shape, dtype=np.float32)
        for rows, values in self.strips():
            probabilities[rows] = values
        return (
            probabilities if dtype is None else probabilities.astype(dtype, copy=False)
        )
