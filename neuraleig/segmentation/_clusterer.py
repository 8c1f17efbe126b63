"""The clusterer of a fit to images: a clone of the user's, set up for tokens."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from neuraleig._fit import Problem, WindowProblem
from neuraleig.affinity import (
    Graph,
    NeighborAffinity,
    TokenAffinity,
    make_affinity,
)
from neuraleig.affinity._token_affinity import TOKEN_NEIGHBORS
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.estimators._base import RowFit
from neuraleig.networks import TokenAttention
from neuraleig.segmentation._token_sample import PreparedWindows, TokenSample
from neuraleig.training import Training, fit_alone

if TYPE_CHECKING:
    from neuraleig.segmentation._parameters import SegmenterParameters

# Parameters of the clusterer that the segmenter sets where they were left at their
# defaults.
SHARED = ("device", "callbacks", "verbose")


def clusterer_of_tokens(
    segmenter: SegmenterParameters,
) -> NeuralEigenSpectralClustering:
    """Make the unfitted clusterer of a segmenter, with a :class:`TokenAffinity`.

    Raises ValueError if a parameter is invalid, contradicts the segmenter, or suits
    no tokens.
    """
    usual = NeuralEigenSpectralClustering()
    given = segmenter.clusterer
    clusterer: NeuralEigenSpectralClustering = clone(usual if given is None else given)
    n_clusters = clusterer.n_clusters
    if n_clusters not in (usual.n_clusters, segmenter.n_clusters):
        raise ValueError(
            f"clusterer__n_clusters={n_clusters} contradicts n_clusters="
            f"{segmenter.n_clusters}; set n_clusters of the segmenter alone."
        )
    left = {
        name: getattr(segmenter, name)
        for name in SHARED
        if getattr(clusterer, name) == getattr(usual, name)
    }
    folder = segmenter.checkpoint
    clusterer.set_params(
        n_clusters=segmenter.n_clusters,
        affinity=_token_affinity(clusterer, segmenter.pixel_weight),
        training=_training(clusterer),
        # Parts of the affinity now.
        n_neighbors=usual.n_neighbors,
        metric=usual.metric,
        gamma=usual.gamma,
        checkpoint=None if folder is None else Path(folder) / "clusterer",
        **left,
    )
    clusterer._check_parameters()
    return clusterer


def fit_to_tokens(
    clusterer: NeuralEigenSpectralClustering,
    sample: TokenSample,
    windows: PreparedWindows,
    n_channels: int,
    seed: int,
) -> Graph:
    """Fit a clusterer to a sample of tokens.

    Parameters
    ----------
    clusterer : NeuralEigenSpectralClustering
        From :func:`clusterer_of_tokens`; fitted in place.
    sample : TokenSample
        Tokens of the graph, which is returned.
    windows : PreparedWindows
        All windows, for a network that sees whole ones.
    n_channels : int
        Number of last channels by which tokens are compared, where the affinity
        leaves it open.
    seed : int
        Seed of the clusterer, and of all attempts at its fit.
    """
    affinity: Any = clusterer.affinity
    if affinity.n_channels is None:
        affinity.set_params(n_channels=n_channels)
    clusterer.set_params(random_state=seed)
    _check_sample(len(sample.rows), clusterer, affinity)
    made: list[Problem] = []

    def make_problem(begun: RowFit, n_clusters: int) -> Problem:
        if sees_windows(clusterer):
            problem: Problem = WindowProblem.build(
                sample,
                windows,
                affinity,
                begun.drawn.rows,
                begun.run,
                n_jobs=clusterer.n_jobs,
                matrix=begun.matrix,
                groups=begun.groups,
            )
        else:
            problem = clusterer._row_problem(begun, n_clusters)
        made.append(problem)
        return problem

    pixels = sample.pixel_graph() if affinity.pixel_weight > 0 else None
    groups = sample.pictures if affinity.takes_groups else None
    # Processes divide rows among them, not windows.
    with fit_alone() if sees_windows(clusterer) else nullcontext():
        clusterer._fit(sample.rows, pixels, groups, make_problem)
    return made[0].graph


def _check_sample(
    n_tokens: int, clusterer: NeuralEigenSpectralClustering, affinity: TokenAffinity
) -> None:
    """Refuse too few tokens, and graphs that do not have all of them."""
    if n_tokens < 2:
        raise ValueError(
            "images have 1 token, and a fit needs two; add images, or raise image_size."
        )
    if n_tokens < clusterer.n_clusters:
        raise ValueError(
            f"images have {n_tokens} tokens, too few for n_clusters="
            f"{clusterer.n_clusters}; lower n_clusters, add images, or raise "
            "image_size or tokens_per_window."
        )
    if sees_windows(clusterer) and not affinity.samples_edges:
        raise ValueError(
            "network=TokenAttention needs a graph of all tokens, and "
            f"{affinity.affinity!r} has landmarks; use a NeighborAffinity."
        )


def sees_windows(clusterer: NeuralEigenSpectralClustering) -> bool:
    """Whether the network sees the tokens of a window together."""
    return isinstance(clusterer.network, TokenAttention)


def _token_affinity(
    clusterer: NeuralEigenSpectralClustering, pixel_weight: float
) -> TokenAffinity:
    """Affinity of the clusterer as the affinity of the features of tokens."""
    affinity: Any = clusterer.affinity
    if isinstance(affinity, TokenAffinity):
        return affinity
    usual = NeuralEigenSpectralClustering()
    if affinity != "nearest_neighbors":
        inner = make_affinity(
            affinity, n_neighbors=clusterer.n_neighbors, gamma=clusterer.gamma
        )
        if inner.needs_matrix:
            raise ValueError(
                f"clusterer__affinity={affinity!r} is not compatible with images, "
                "whose affinities are computed; pass another affinity."
            )
        return TokenAffinity(inner, pixel_weight=pixel_weight)
    n_neighbors = clusterer.n_neighbors
    if n_neighbors in (usual.n_neighbors, TOKEN_NEIGHBORS):
        if clusterer.metric == usual.metric:
            return TokenAffinity(pixel_weight=pixel_weight)
        n_neighbors = TOKEN_NEIGHBORS
    inner = NeighborAffinity(n_neighbors, clusterer.metric)
    return TokenAffinity(inner, pixel_weight=pixel_weight)


def _training(clusterer: NeuralEigenSpectralClustering) -> Training:
    """Training of the clusterer, without fine-tuning where its length is open.

    From labels that were read off eigenvectors on, fine-tuning lowered the agreement
    with the classes of CamVid's training frames, and of synthetic scenes.
    """
    training: Training = clusterer._component("training", clusterer.training)
    if training.init == "spectral" and training.max_iter is None:
        training = clone(training).set_params(max_iter=0)
    return training
