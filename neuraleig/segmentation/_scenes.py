"""Groups of similar pictures, between which tokens find their neighbours."""

from __future__ import annotations

import numpy as np

from neuraleig._typing import Array, IntArray

# Fewest pictures for which neighbours are searched across scenes: with fewer of them
# there may be no other picture of the same things.
FEWEST_PICTURES = 16


def scenes_of(rows: Array, pictures: IntArray, seed: int) -> IntArray:
    """Scene of every token: a group of pictures that look alike.

    Frames of a video, or photographs of one place, hold the same things in the same
    light. If neighbours are searched in other scenes, clusters are what scenes have in
    common. There are about as many scenes as pictures in a scene.

    Parameters
    ----------
    rows : ndarray of shape (n_tokens, n_channels)
        Standardised features of the tokens.
    pictures : ndarray of shape (n_tokens,), int64
        Picture of every token.
    seed : int
        Seed of the scenes.

    Returns
    -------
    scenes : ndarray of shape (n_tokens,), int64
        From 0. No scene has so many pictures that the others cannot have neighbours.
    """
    # Imported late: prediction needs none of it.
    from sklearn.cluster import BisectingKMeans

    known, picture, counts = np.unique(
        pictures, return_inverse=True, return_counts=True
    )
    means = np.zeros((len(known), rows.shape[1]))
    for number, own in enumerate(
        np.split(np.argsort(picture, kind="stable"), np.cumsum(counts)[:-1])
    ):
        means[number] = rows[own].mean(axis=0)
    n_scenes = max(2, round(np.sqrt(len(known))))
    scenes = BisectingKMeans(
        min(n_scenes, len(known)),
        n_init=5,
        random_state=seed,
        bisecting_strategy="largest_cluster",
    ).fit_predict(means)
    return np.asarray(scenes[picture], dtype=np.int64)
