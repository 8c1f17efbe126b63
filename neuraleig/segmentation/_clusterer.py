"""The clusterer of a fit to images: a clone of the user's, set up for tokens."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from neuraleig._fit import Problem, WindowProblem
from neuraleig._typing import FloatArray
from neuraleig.affinity import Affinity, Graph, NeighborAffinity, TokenAffinity
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.estimators._base import RowFit
from neuraleig.networks import TokenAttention
from neuraleig.reading._calibration import MAX_NODES
from neuraleig.segmentation._alignment import FormerSegmenter
from neuraleig.segmentation._cluster_table import Occurrences, summed_probabilities
from neuraleig.segmentation._scenes import are_enough
from neuraleig.segmentation._token_sample import PreparedWindows, TokenSample
from neuraleig.segmentation.backbones import Backbone
from neuraleig.training import Training, fit_alone
from neuraleig.training._distributed import current_shard

if TYPE_CHECKING:
    from neuraleig.segmentation._parameters import SegmenterParameters

# Parameters of the clusterer that the segmenter sets where they were left at their
# defaults, and those that it sets in any case.
SHARED = ("device", "callbacks", "verbose")
OWN = ("n_clusters", "max_clusters", "checkpoint", "random_state")
# Values with which fine-tuning on windows, whose graphs are by cosine, goes together.
OF_WINDOWS: dict[str, tuple[Any, ...]] = {
    "sampling": ("auto", "nodes"),
    "walk_length": (1,),
    "metric": ("euclidean", "cosine"),
    "weights": ("self_tuning",),
    "across_groups": (None, False),
    "regularization": (0.0,),
}


def clusterer_of_tokens(
    segmenter: SegmenterParameters,
) -> NeuralEigenSpectralClustering:
    """Make the unfitted clusterer of a segmenter, with a :class:`TokenAffinity`.

    Raises ValueError if a parameter is invalid, contradicts the segmenter, or suits
    no tokens.
    """
    usual = NeuralEigenSpectralClustering()
    given = usual if segmenter.clusterer is None else segmenter.clusterer
    _check_own(given, segmenter, usual)
    left = {
        name: getattr(segmenter, name)
        for name in SHARED
        if getattr(given, name) == getattr(usual, name)
    }
    clusterer: NeuralEigenSpectralClustering = clone(given).set_params(**left)
    affinity, training = clusterer._check_parameters(
        "clusterer__", type(segmenter).__name__
    )
    if affinity.needs_matrix:
        raise ValueError(
            f"clusterer__affinity={given.affinity!r} is not compatible with images, "
            "whose affinities are computed; pass another affinity."
        )
    training = _without_fine_tuning(training)
    of_tokens = _token_affinity(affinity, segmenter.pixel_weight)
    if sees_windows(clusterer):
        path = "affinity__affinity" if of_tokens is affinity else "affinity"
        _check_attention(of_tokens.inner(), training, path)
    clusterer.set_params(
        n_clusters=segmenter.n_clusters,
        max_clusters=segmenter.max_clusters,
        affinity=of_tokens,
        training=training,
        # Parts of the affinity now.
        n_neighbors=None,
        metric=None,
        gamma=None,
        # All tokens are in the graph.
        max_graph_rows=max(segmenter.max_tokens, usual.max_graph_rows),
        checkpoint=segmenter.checkpoint and Path(segmenter.checkpoint) / "clusterer",
    )
    clusterer._check_numbers(training, "clusterer__")
    return clusterer


def _check_own(
    given: NeuralEigenSpectralClustering,
    segmenter: SegmenterParameters,
    usual: NeuralEigenSpectralClustering,
) -> None:
    """Refuse values of what the segmenter sets itself."""
    for name in OWN:
        value, own = getattr(given, name), getattr(segmenter, name)
        if value not in (getattr(usual, name), own):
            raise ValueError(
                f"clusterer__{name}={value!r} contradicts {name}={own!r}; set {name} "
                "of the segmenter alone."
            )
    if given.max_graph_rows != usual.max_graph_rows:
        raise ValueError(
            f"clusterer__max_graph_rows={given.max_graph_rows!r} is not used with "
            "images; set max_tokens of the segmenter instead."
        )


def fit_to_tokens(
    clusterer: NeuralEigenSpectralClustering,
    sample: TokenSample,
    windows: PreparedWindows,
    backbone: Backbone,
    former: FormerSegmenter,
) -> tuple[Graph, Occurrences]:
    """Fit a clusterer to a sample of tokens.

    Parameters
    ----------
    clusterer : NeuralEigenSpectralClustering
        From :func:`clusterer_of_tokens`; fitted in place.
    sample : TokenSample
        Tokens of the graph.
    windows : PreparedWindows
        All windows, for a network that sees whole ones.
    backbone : Backbone
        Source of the features, which settles what the affinity leaves open.
    former : FormerSegmenter
        Loaded.

    Returns
    -------
    graph : Graph
        Graph of the tokens.
    occurrences : Occurrences
        Where the clusters occur.
    """
    affinity: Any = clusterer.affinity
    _settle(clusterer, affinity, sample, backbone)
    _check_sample(len(sample.rows), clusterer)
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
    groups = None
    if affinity.takes_groups:
        groups = current_shard().first(lambda: sample.scenes(affinity.n_channels))
    found = former.clusters(sample, windows.units)
    # Processes divide rows among them, not windows.
    with fit_alone() if sees_windows(clusterer) else nullcontext():
        clusterer._fit(sample.rows, pixels, groups, make_problem, lambda _: found)
        sums = _summed_probabilities(clusterer, made[0])
    return made[0].graph, Occurrences.of(clusterer.labels_, sample.pictures, sums)


def _summed_probabilities(
    clusterer: NeuralEigenSpectralClustering, problem: Problem
) -> FloatArray:
    """Calibrated probabilities of all clusters over tokens of each, 8,192 at most."""
    values = problem.evaluate(clusterer.eigenfunctions_, current_shard())
    if len(values[0]) > MAX_NODES:
        generator = np.random.default_rng(clusterer.random_state)
        rows = generator.choice(len(values[0]), MAX_NODES, replace=False)
        values = values[0][rows], values[1][rows]
    shares = clusterer._discretizer.probabilities(*values)
    assert clusterer._calibration is not None
    return summed_probabilities(clusterer._calibration.probabilities(*values, shares))


def across_parameter(
    clusterer: NeuralEigenSpectralClustering,
    given: NeuralEigenSpectralClustering | None,
) -> str | None:
    """Parameter of a segmenter that searches neighbours across pictures.

    ``None`` where they are, or cannot be with the other parameters. ``given`` is the
    clusterer as the user made it.
    """
    affinity: Any = clusterer.affinity
    inner = affinity.inner()
    is_nearest = isinstance(inner, NeighborAffinity) and not inner.across_groups
    if not is_nearest or _is_tuned_by_batches(clusterer):
        return None
    is_wrapped = isinstance(getattr(given, "affinity", None), TokenAffinity)
    return f"clusterer__affinity{'__affinity' * is_wrapped}__across_groups"


def _settle(
    clusterer: NeuralEigenSpectralClustering,
    affinity: TokenAffinity,
    sample: TokenSample,
    backbone: Backbone,
) -> None:
    """Set what the affinity leaves open.

    Graphs of batches of windows are within and between pictures alike.
    """
    if affinity.n_channels is None:
        affinity.set_params(n_channels=backbone.n_channels[-1])
    if affinity.pixel_weight is None:
        affinity.set_params(pixel_weight=backbone.pixel_weight)
    inner = NeighborAffinity() if affinity.affinity is None else affinity.affinity
    if isinstance(inner, NeighborAffinity) and inner.across_groups is None:
        _, pictures = np.unique(sample.pictures, return_inverse=True)
        across = are_enough(pictures) and not _is_tuned_by_batches(clusterer)
        affinity.set_params(affinity=clone(inner).set_params(across_groups=across))


def _is_tuned_by_batches(clusterer: NeuralEigenSpectralClustering) -> bool:
    """Whether fine-tuning has graphs of batches of windows, by cosine."""
    training = clusterer._component("training", clusterer.training)
    return sees_windows(clusterer) and training.max_iter != 0


def _check_sample(n_tokens: int, clusterer: NeuralEigenSpectralClustering) -> None:
    """Refuse too few tokens."""
    if n_tokens < 2:
        raise ValueError(
            "images have 1 token, and a fit needs two; add images, or raise image_size."
        )
    if n_tokens < (clusterer._asked_n_clusters or 1):
        raise ValueError(
            f"images have {n_tokens} tokens, too few for n_clusters="
            f"{clusterer.n_clusters}; lower n_clusters, add images, or raise "
            "image_size or tokens_per_window."
        )


def _check_attention(inner: Affinity, training: Training, path: str) -> None:
    """Refuse affinities of features, at a path, that windows do not have."""
    tunes = training.max_iter != 0
    if not inner.samples_edges or (tunes and not isinstance(inner, NeighborAffinity)):
        raise ValueError(
            "clusterer__network=TokenAttention needs a graph of the neighbours of all "
            f"tokens, and not clusterer__{path}={inner!r}; use a NeighborAffinity."
        )
    if not tunes:
        return
    for where, part in (("training", training), (path, inner)):
        for name, value in part.get_params(deep=False).items():
            used = OF_WINDOWS.get(name, (value,))
            if value not in used:
                raise ValueError(
                    f"clusterer__{where}__{name}={value!r} is not used by fine-tuning "
                    "with a TokenAttention, whose batches are windows and their graph "
                    f"by cosine; leave it at {used[0]!r}, or set "
                    "clusterer__training__max_iter=0."
                )


def sees_windows(clusterer: NeuralEigenSpectralClustering) -> bool:
    """Whether the network sees the tokens of a window together."""
    return isinstance(clusterer.network, TokenAttention)


def _token_affinity(affinity: Affinity, pixel_weight: float | None) -> TokenAffinity:
    """Affinity of the clusterer as the affinity of the features of tokens."""
    is_given = isinstance(affinity, TokenAffinity)
    made = affinity if is_given else TokenAffinity(affinity)
    if pixel_weight is None or pixel_weight == made.pixel_weight:
        return made
    if is_given and made.pixel_weight is not None:
        raise ValueError(
            f"pixel_weight={pixel_weight!r} contradicts clusterer__affinity="
            f"{affinity!r}; set clusterer__affinity__pixel_weight instead."
        )
    return made.set_params(pixel_weight=pixel_weight)


def _without_fine_tuning(training: Training) -> Training:
    """Training without fine-tuning after a spectral start, where its length is open.

    From labels that were read off eigenvectors on, fine-tuning lowered the agreement
    with the classes of CamVid's training frames, and of synthetic scenes.
    """
    if training.init == "spectral" and training.max_iter is None:
        training = clone(training).set_params(max_iter=0)
    return training
