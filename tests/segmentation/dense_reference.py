"""The two graphs of the images recipe as dense arrays, straight from its description.

Slow and small: every pair of tokens is looked at.
"""

import numpy as np


def symmetrised(directed):
    return (directed + directed.T) / 2


def nearest(scores, k):
    """Indicator of the k largest scores of every row, the diagonal left out."""
    scores = np.array(scores, dtype=float)
    np.fill_diagonal(scores, -np.inf)
    k = min(k, len(scores) - 1)
    chosen = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(chosen, np.argsort(-scores, axis=1)[:, :k], True, axis=1)
    return chosen


def cosines(features):
    features = np.asarray(features, dtype=float)
    norms = np.linalg.norm(features, axis=1)
    norms[norms == 0] = 1
    unit = features / norms[:, None]
    return unit @ unit.T


def feature_graph(features, k):
    """Cosine neighbours, clamped at 0."""
    similarity = cosines(features)
    directed = np.where(nearest(similarity, k), np.maximum(similarity, 0), 0)
    return symmetrised(directed)


def pixel_graph(colors, neighborhoods=((10, 2.0), (5, 0.1))):
    colors = np.asarray(colors, dtype=float)
    height, width = colors.shape[:2]
    points = [
        [
            *colors[i, j],
            j / (width - 1) if width > 1 else 0.0,
            i / (height - 1) if height > 1 else 0.0,
        ]
        for i in range(height)
        for j in range(width)
    ]
    union = np.zeros((len(points), len(points)), dtype=bool)
    for k, weight in neighborhoods:
        scaled = np.array(points) * [1, 1, 1, weight, weight]
        difference = scaled[:, None] - scaled[None]
        union |= nearest(-(difference**2).sum(axis=2), k)
    return symmetrised(union.astype(float))


def normalised(weights):
    degrees = weights.sum(axis=1)
    scale = np.zeros_like(degrees)
    scale[degrees > 0] = degrees[degrees > 0] ** -0.5
    return scale[:, None] * weights * scale[None]


def token_graph(features, colors, k, pixel_weight):
    """Of windows of (height, width, channels) arrays."""
    rows = np.concatenate([f.reshape(-1, f.shape[-1]) for f in features])
    total = normalised(feature_graph(rows, k))
    start = 0
    for window in colors:
        stop = start + window.shape[0] * window.shape[1]
        total[start:stop, start:stop] += pixel_weight * normalised(pixel_graph(window))
        start = stop
    return total
