"""Other numbers of clusters than that of the fit, on the same network."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Self, TypeVar, cast

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from neuraleig._device import ordinary_torch
from neuraleig._fit import Fitted, Problem, Run
from neuraleig._fit._label_heads import labels_by_heads
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig.affinity import Affinity, Graph
from neuraleig.estimators._base import RowFit
from neuraleig.estimators._stream import StreamClusterer
from neuraleig.networks import EigenNetwork
from neuraleig.networks._label_heads import LabelHeads
from neuraleig.reading import (
    Argmax,
    ClusterCurve,
    Discretizer,
    NearestCentre,
    judge_labels,
)
from neuraleig.reading._alignment import FormerClusters
from neuraleig.reading._cluster_curve import MAX_CLUSTERS
from neuraleig.reading._read_clusters import DESCRIBED_BY
from neuraleig.reading._renumbered import renumbered
from neuraleig.training import Training

# Value of n_clusters that leaves the number to the curve.
AUTO = "auto"
# Values of assign_labels for which clusters of other numbers are kept.
WITH_ALTERNATIVES = ("argmax", "kmeans")


@dataclass(frozen=True)
class Alternatives:
    """Clusters of every number of a curve, read off one network.

    Parameters
    ----------
    readers : list of Discretizer
        By the number of clusters, from 1.
    heads : LabelHeads or None
        Label heads by number; ``None`` where labels are read off eigenfunctions.
    cuts, modularities : ndarray of shape (n_numbers,)
        Normalised cut and modularity of the labels on the graph of the fit.
    labels : ndarray of shape (n_numbers, n_rows), unsigned integer, or None
        Labels of the rows of the graph; ``None`` for a model from a file.
    """

    readers: list[Discretizer]
    heads: LabelHeads | None
    cuts: FloatArray
    modularities: FloatArray
    labels: Array | None = None

    def following(self, former: FormerClusters) -> Alternatives:
        """Same clusters with the numbers of former ones, of each number by itself."""
        assert self.labels is not None
        labels, readers = self.labels.copy(), []
        for own, reader in zip(labels, self.readers, strict=True):
            order, _ = former.followed_by(own, reader.n_clusters)
            readers.append(renumbered(reader, order))
            own[:] = np.argsort(order)[own]
        return replace(self, readers=readers, labels=labels)


# Fitted attributes that only the number of clusters of the fit has.
OF_ONE_NUMBER = ("cluster_shares_", "mean_confidence_")


class ClusterNumbers(StreamClusterer):
    """Base of what offers other numbers of clusters after one fit."""

    n_clusters: int | str
    max_clusters: int | None
    assign_labels: str
    cluster_curve_: ClusterCurve | None
    n_clusters_: int
    ncut_: float
    _alternatives: Alternatives | None

    @ordinary_torch()
    def with_n_clusters(self, n_clusters: int) -> Self:
        """Make a fitted estimator with another number of clusters, without a fit.

        Graph, network and eigenfunctions are those of this estimator. The clusters are
        those of ``cluster_curve_``: for ``assign_labels="argmax"`` a label head that
        was solved for at the end of the fit, for ``"kmeans"`` the centres of the
        clusters among the eigenfunctions. ``predict_proba`` is calibrated for the
        number of the fit alone, and names of clusters are left behind. After a fit
        with ``align_to`` the clusters of every number have those of the former model.

        Parameters
        ----------
        n_clusters : int
            Number of clusters, on the curve.

        Returns
        -------
        estimator : estimator
            New, with ``n_clusters`` as its parameter. It has ``labels_`` of the
            training rows where ``fit`` took all rows into the graph, and none after
            ``partial_fit``, more than ``max_graph_rows`` rows or from a file.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it was fitted without a curve, ``assign_labels`` has no such clusters, or
            the curve does not have this number.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> X, _ = make_blobs(300, centers=4, cluster_std=0.5, random_state=3)
        >>> model = NeuralEigenSpectralClustering("auto", max_clusters=8).fit(X)
        >>> model.n_clusters_, model.with_n_clusters(2).n_clusters_
        (4, 2)
        """
        check_is_fitted(self)
        alternatives = self._checked_alternatives()
        assert self.cluster_curve_ is not None
        index = self.cluster_curve_.index_of(n_clusters)
        made = copy_with_own_parts(self)
        made.n_clusters = int(n_clusters)
        if n_clusters == self.n_clusters_:
            return made
        made._discretizer = alternatives.readers[index]
        # Readings of the other numbers were not compared: no agreement is known.
        made._calibration = None
        made.alignment_, made.cluster_names_ = None, {}
        for name in OF_ONE_NUMBER:
            made.__dict__.pop(name, None)
        if alternatives.heads is not None:
            module = copy.deepcopy(self.eigenfunctions_)
            network = cast(EigenNetwork, module.network)
            head = alternatives.heads.head(int(n_clusters))
            network.label_head = head.to(module.shift.device)
            network.n_clusters = int(n_clusters)
            made.eigenfunctions_ = module.eval()
        made.n_clusters_ = made._discretizer.n_clusters
        made.ncut_ = float(alternatives.cuts[index])
        self._set_labels(made, alternatives, index)
        return made

    def _set_labels(self, made: Self, alternatives: Alternatives, index: int) -> None:
        """Labels of the training rows, if they are those of the graph."""
        known = getattr(self, "labels_", None)
        labels = alternatives.labels
        if known is None:
            return
        is_whole = labels is not None and labels.shape[1] == len(known)
        if labels is not None and is_whole and self._stream is None:
            made.labels_ = labels[index].astype(np.int64)
        else:
            del made.labels_

    def _checked_alternatives(self) -> Alternatives:
        """Clusters of other numbers, or words on why there are none."""
        if self.cluster_curve_ is None:
            raise ValueError(
                "with_n_clusters needs the curve of all numbers of clusters, and this "
                f"model was fitted with n_clusters={self.n_clusters!r} alone; fit with "
                "n_clusters='auto' or max_clusters=30."
            )
        if self._alternatives is None:
            raise ValueError(
                "with_n_clusters is not available for assign_labels="
                f"{self.assign_labels!r}; fit with assign_labels='argmax' or 'kmeans', "
                "or fit anew with the number of clusters that you want."
            )
        return self._alternatives

    @property
    def _curve_end(self) -> int | None:
        """Largest number of the curve; ``None`` without a curve."""
        if self.max_clusters is None and self.n_clusters == AUTO:
            return MAX_CLUSTERS
        return self.max_clusters

    @property
    def _asked_n_clusters(self) -> int | None:
        """Number of clusters, or ``None`` where it is left to the curve."""
        return None if isinstance(self.n_clusters, str) else int(self.n_clusters)

    @property
    def _most_clusters(self) -> int:
        """Largest number of clusters that the fit may come to."""
        asked = self._asked_n_clusters
        return (self._curve_end or 1) if asked is None else asked

    def _check_parameters(
        self, prefix: str = "", owner: str = ""
    ) -> tuple[Affinity, Training]:
        affinity, training = super()._check_parameters(prefix, owner)
        self._check_numbers(training, prefix)
        return affinity, training

    def _check_numbers(self, training: Training, prefix: str = "") -> None:
        """Refuse numbers of clusters that contradict each other or the training."""
        asked, end = self._asked_n_clusters, self._curve_end
        if asked is not None and end is not None and asked > end:
            raise ValueError(
                f"n_clusters={asked} is more than max_clusters={end}; raise "
                "max_clusters or lower n_clusters."
            )
        if end is not None and training.init == "random":
            name = "n_clusters='auto'" if asked is None else f"max_clusters={end}"
            raise ValueError(
                f"{name} needs the eigenvectors of the graph, which "
                f"{prefix}training__init='random' leaves out; use init='spectral', or "
                "n_clusters as a number and max_clusters=None."
            )


Estimator = TypeVar("Estimator", bound=BaseEstimator)


def copy_with_own_parts(estimator: Estimator) -> Estimator:
    """Shallow copy of a fitted estimator whose components are copies as well.

    Setting a parameter of a component of one must not change the other.
    """
    made = copy.copy(estimator)
    for name, value in estimator.get_params(deep=False).items():
        if isinstance(value, BaseEstimator):
            setattr(made, name, clone(value))
    return made


def modularity_of(clustering: ClusterNumbers, n_clusters: int) -> float:
    """Modularity of the labels of another number of clusters, on the graph."""
    curve, known = clustering.cluster_curve_, clustering._alternatives
    assert curve is not None
    assert known is not None
    return float(known.modularities[curve.index_of(n_clusters)])


def labels_of(clustering: ClusterNumbers, n_clusters: int) -> IntArray | None:
    """Labels of the rows of the graph for a number of clusters, where they are kept."""
    curve, known = clustering.cluster_curve_, clustering._alternatives
    if curve is None or known is None or known.labels is None:
        return None
    labels: IntArray = known.labels[curve.index_of(n_clusters)].astype(np.int64)
    return labels


def alternatives_of(
    assign_labels: str,
    fitted: Fitted,
    problem: Problem,
    functions: Array,
    chosen: Discretizer,
    begun: RowFit,
) -> Alternatives | None:
    """Clusters of every number of the curve of a fit.

    Parameters
    ----------
    assign_labels : str
        How labels are read.
    fitted : Fitted
        The fit.
    problem : Problem
        Its rows and graph.
    functions : ndarray of shape (n_rows, n_components)
        Learned eigenfunctions at the rows.
    chosen : Discretizer
        That of the number of the fit, which keeps its place.
    begun : RowFit
        Its circumstances, and the former clusters whose numbers are taken over.

    Returns
    -------
    alternatives : Alternatives or None
        ``None`` without a curve, or where ``assign_labels`` has none.
    """
    has_curve = fitted.targets is not None and fitted.targets.curve is not None
    if not has_curve or assign_labels not in WITH_ALTERNATIVES:
        return None
    known = _alternatives(fitted, problem, functions, chosen, begun.run)
    return known if begun.former is None else known.following(begun.former)


def _alternatives(
    fitted: Fitted, problem: Problem, functions: Array, chosen: Discretizer, run: Run
) -> Alternatives:
    """Clusters of every number of a curve, by label heads or by centres."""
    if fitted.heads is not None:
        found = labels_by_heads(fitted.heads, fitted.eigenfunctions, problem, run.shard)
        clusters = [np.unique(labels).astype(np.int64) for labels in found]
        readers: list[Discretizer] = [Argmax(used) for used in clusters]
        labels = np.stack(
            [
                np.searchsorted(used, own)
                for used, own in zip(clusters, found, strict=True)
            ]
        )
        return _judged(readers, fitted.heads, labels.astype(found.dtype), problem.graph)

    def read() -> tuple[list[Discretizer], Array]:
        return _by_centres(fitted, problem.graph, functions, chosen)

    readers, labels = run.shard.first(read)
    return _judged(readers, None, labels, problem.graph)


def _by_centres(
    fitted: Fitted, graph: Graph, functions: Array, chosen: Discretizer
) -> tuple[list[Discretizer], Array]:
    """Readers by centres of the clusters of the curve, and their labels of the rows."""
    targets = fitted.targets
    assert targets is not None and targets.curve_labels is not None
    eigenvalues = fitted.eigenfunctions.eigenvalues.cpu().numpy()
    nodes, counts = targets.curve_nodes, graph.relative_counts
    rows = graph.index if nodes is None else graph.index[nodes]
    if nodes is not None and counts is not None:
        counts = counts[nodes]
    readers: list[Discretizer] = []
    found = []
    no_scores = functions[:, :0]
    for number, labels in enumerate(targets.curve_labels, 1):
        reader = chosen
        if number != fitted.n_clusters:
            n_used = min(int(np.ceil(DESCRIBED_BY * number)), eigenvalues.size)
            reader = NearestCentre.of_labels(
                functions[rows], labels.astype(np.int64), eigenvalues, n_used, counts
            )
        own = reader.labels(functions, no_scores)
        used = np.unique(own)
        if isinstance(reader, NearestCentre) and used.size < reader.n_clusters:
            # As in the fit: a centre need not be the nearest of any row.
            reader = reader.only(used, eigenvalues)
            own = np.searchsorted(used, own)
        readers.append(reader)
        found.append(own.astype(np.min_scalar_type(len(targets.curve_labels))))
    return readers, np.stack(found)


def _judged(
    readers: list[Discretizer], heads: LabelHeads | None, labels: Array, graph: Graph
) -> Alternatives:
    """Alternatives with their worth on the graph."""
    judgements = [
        judge_labels(graph, own[graph.index].astype(np.int64)) for own in labels
    ]
    return Alternatives(
        readers,
        heads,
        np.array([judgement.cut for judgement in judgements]),
        np.array([judgement.modularity for judgement in judgements]),
        labels,
    )
