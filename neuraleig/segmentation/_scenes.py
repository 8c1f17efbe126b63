"""Scenes: groups of pictures between which tokens find their neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from neuraleig._typing import IntArray

# Scenes from which on neighbours are searched in others. With fewer of them there may
# be no other scene of the same things.
# Chosen on IDD-lite, by hand: of 2 pictures across is worse, of 4 level, from 8 on
# better.
FEWEST_SCENES = 8
# Windows are alike if the cosine of their features, averaged over a grid of this side
# and centred, exceeds this.
# Chosen by hand to tell films from photographs, without labels: the 367 frames of
# CamVid, of three drives, have 91 scenes, and the 200 photographs of IDD-lite 184.
GRID, ALIKE = 8, 0.6
# Share of the tokens in one scene beyond which the others do not have everything that
# it has.
MOST_SHARE = 0.5
# Cosines that are held at once.
CHUNK_ELEMENTS = 2**22


def scenes_of(windows: Sequence[Tensor], pictures: IntArray) -> IntArray:
    """Scene of every window: pictures that show the same from the same place.

    In a film, the nearest tokens of other frames are the same thing a moment before.
    If they were neighbours, clusters would be scenes.

    Parameters
    ----------
    windows : sequence of Tensor of shape (rows, columns, n_channels)
        Standardised features of the tokens of every window.
    pictures : ndarray of shape (n_windows,), int64
        Picture of every window.

    Returns
    -------
    scenes : ndarray of shape (n_windows,), int64
        From 0, equal for windows of one picture. Every picture is a scene of its own
        where there would be fewer than eight scenes, or one with more than half of the
        tokens.

    Notes
    -----
    Time O(n_windows^2), 0.2 s for 300 windows of 384 channels. Memory of twice 64
    tokens per window.
    """
    _, picture = np.unique(pictures, return_inverse=True)
    n_tokens = np.array([math.prod(window.shape[:2]) for window in windows])
    rows = torch.stack([_pooled(window) for window in windows])
    rows -= rows.mean(dim=0)
    rows = F.normalize(rows, dim=1)
    source, target = _alike(rows)
    first = np.unique(picture, return_index=True)[1][picture]
    own = np.arange(len(windows))
    ends = (np.concatenate([source, own]), np.concatenate([target, first]))
    links = sp.coo_array((np.ones(len(ends[0])), ends), shape=(len(own), len(own)))
    _, scenes = connected_components(links, directed=False)
    found = scenes if are_enough(np.repeat(scenes, n_tokens)) else picture
    return np.asarray(found, dtype=np.int64)


def are_enough(groups: IntArray) -> bool:
    """Whether tokens of these groups, from 0, may do with neighbours in the others."""
    sizes = np.bincount(groups)
    return bool(len(sizes) >= FEWEST_SCENES and sizes.max() <= MOST_SHARE * len(groups))


def _pooled(window: Tensor) -> Tensor:
    """Means of features over a grid of places."""
    return F.adaptive_avg_pool2d(window.permute(2, 0, 1), GRID).flatten()


def _alike(rows: Tensor) -> tuple[IntArray, IntArray]:
    """Pairs of unit rows of a cosine above the least one."""
    found = []
    step = max(1, CHUNK_ELEMENTS // len(rows))
    for start in range(0, len(rows), step):
        pairs = (rows[start : start + step] @ rows.T > ALIKE).nonzero().numpy()
        found.append(pairs + np.array([start, 0]))
    source, target = np.concatenate(found).T
    return source, target
