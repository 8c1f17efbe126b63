"""Layout of eigenfunctions in the plane, and the places of further rows in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from neuraleig._random import RandomState
from neuraleig._typing import FloatArray
from neuraleig.plotting._checks import drawn_rows

# Rows that t-SNE lays out: a second or two. Further rows are placed between them.
N_ANCHORS = 1_000
# Laid-out rows that determine the place of a row.
N_NEAREST = 5
# Fewer different rows than this have no neighbours that a layout could keep.
FEWEST = 5
PERPLEXITY, MAX_ITER = 30.0, 500
# Standard deviation of the first coordinate at the start, as van der Maaten advises.
START = 1e-4


class Layout(NamedTuple):
    """Different rows (n_anchors, n_functions) and their places (n_anchors, 2)."""

    anchors: FloatArray
    places: FloatArray

    def place(self, functions: FloatArray) -> FloatArray:
        """Return the places of rows (n_rows, n_functions), each on its own.

        A row that is an anchor has its place; others have the mean of the places of the
        nearest anchors, weighted by the inverse squared distance.
        """
        n_nearest = min(N_NEAREST, len(self.anchors))
        search = NearestNeighbors(n_neighbors=n_nearest).fit(self.anchors)
        distances, nearest = search.kneighbors(functions)
        # Relative to the nearest one: the square of a small distance may be 0.
        first = distances[:, :1]
        ratios = np.divide(
            first, distances, out=np.zeros_like(distances), where=distances > 0
        )
        ratios[:, 0] = 1.0
        weights = ratios**2
        weights /= weights.sum(axis=1, keepdims=True)
        placed: FloatArray = np.einsum("rn,rnd->rd", weights, self.places[nearest])
        return placed


def laid_out(functions: FloatArray, random_state: RandomState) -> Layout:
    """Lay out rows (n_rows, n_functions) so that near rows stay near.

    The order and the number of equal rows have no effect, up to the draw of anchors.
    """
    different = np.unique(functions, axis=0)
    generator = check_random_state(random_state)
    anchors = different[drawn_rows(len(different), N_ANCHORS, generator)]
    start = _principal_plane(anchors)
    if len(anchors) < FEWEST:
        return Layout(anchors, start)
    # Neither equal nor on one line, where the points could not pass each other.
    start = START * start / start[:, 0].std()
    start += 0.01 * START * generator.normal(size=start.shape)
    tsne = TSNE(
        perplexity=min(PERPLEXITY, (len(anchors) - 1) / 3),
        init=start.astype(np.float32),
        max_iter=MAX_ITER,
        random_state=generator,
    )
    # Several threads would add numbers in another order each time.
    with threadpool_limits(limits=1, user_api="openmp"):
        places = tsne.fit_transform(anchors)
    return Layout(anchors, places.astype(np.float64))


def _principal_plane(rows: FloatArray) -> FloatArray:
    """Coordinates of rows along their first two principal axes; 0 if there are less."""
    centred = rows - rows.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    # The largest entry of an axis is positive, so that signs do not depend on LAPACK.
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.sign(axes[np.arange(len(axes)), largest])[:, None]
    found: FloatArray = np.zeros((len(rows), 2))
    plane = centred @ axes[:2].T
    found[:, : plane.shape[1]] = plane
    return found
