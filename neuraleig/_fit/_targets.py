"""Targets of the warm start: eigenfunctions of the graph, and labels read off them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from neuraleig._device import CPU
from neuraleig._fit._progress import SILENT, Progress
from neuraleig._fit._task import Task
from neuraleig._fit._thinned import THINNED_STARTS, are_better, may_be_bettered
from neuraleig._random import Seeds
from neuraleig._typing import Array, FloatArray, IntArray
from neuraleig._words import count_text
from neuraleig.affinity import Graph
from neuraleig.objectives import SpectralRegression
from neuraleig.reading import ClusterCurve, read_clusters, read_curve
from neuraleig.reading._cluster_curve import most_clusters
from neuraleig.reading._refine import refined_labels
from neuraleig.spectrum import Spectrum, graph_spectrum

# A function of less support than this share of the mean cluster is one of single
# outliers: no network learns it. Small groups have more.
# Chosen on pendigits: with a tenth its held-out accuracy fell to 0.857.
LOCAL_SHARE = 0.01


@dataclass(frozen=True)
class Targets:
    """What the warm start teaches.

    Parameters
    ----------
    functions : Tensor of shape (n_nodes, n_functions)
        Exact eigenfunctions without the constant one.
    labels : Tensor of shape (n_nodes,), int64
        Labels read off them.
    eigenvalues : ndarray of shape (n_read,)
        Exact eigenvalues, that of the constant first.
    n_clusters : int
        Number of clusters that were read, unless there are fewer nodes.
    agreement : ndarray of shape (n_nodes,)
        Share of the readings that agree with a label; NaN where it is not known.
    curve : ClusterCurve or None, default=None
        Measures of every number of clusters, if they were asked for.
    curve_labels : ndarray of shape (n_numbers, n_judged) or None, default=None
        Labels of the judged nodes for every number of the curve.
    curve_nodes : ndarray of shape (n_judged,), int64, or None, default=None
        Judged nodes; ``None`` for all.
    thinned : bool, default=False
        Whether functions and labels are those of the thinned graph.
    """

    functions: Tensor
    labels: Tensor
    eigenvalues: FloatArray
    n_clusters: int
    agreement: FloatArray
    curve: ClusterCurve | None = None
    curve_labels: Array | None = None
    curve_nodes: IntArray | None = None
    thinned: bool = False

    @property
    def reading(self) -> tuple[IntArray, FloatArray]:
        """Labels of the nodes, and their agreement."""
        return self.labels.numpy(), self.agreement

    def regression(self, device: torch.device) -> SpectralRegression:
        """Objective that teaches them."""
        return SpectralRegression(self.functions.to(device), self.labels.to(device))


def solve_targets(
    graph: Graph,
    task: Task,
    seeds: Seeds,
    device: torch.device = CPU,
    progress: Progress = SILENT,
) -> Targets:
    """Exact eigenvectors of the graph, and labels read off them.

    Labels are read from up to ``task.n_read`` eigenvectors, of which the network is to
    learn the first ones. The number of clusters is the best of the curve where the
    task leaves it open. Functions and labels are those of the thinned graph where its
    labels cut far less, see :func:`are_better`.
    """
    targets = _targets_of(graph, task, seeds, device, progress)
    thin = graph.thinned()
    known = targets.labels.numpy()
    if thin is None or not may_be_bettered(known, graph, thin):
        return targets
    with progress.stage("thinned graph") as stage:
        found = _thinned_targets(targets, graph, thin, task, seeds, device)
        stage.result = "labels of all edges kept"
        if found.thinned:
            stage.result = "labels and functions replaced"
    return found


def _thinned_targets(
    targets: Targets,
    graph: Graph,
    thin: Graph,
    task: Task,
    seeds: Seeds,
    device: torch.device,
) -> Targets:
    """Targets of the thinned graph, or those of the whole one if they are better."""
    known = targets.labels.numpy()
    again = replace(task, n_clusters=targets.n_clusters, max_clusters=None)
    found = _targets_of(thin, again, seeds, device, SILENT, THINNED_STARTS)
    # Rows at the rim go where the whole graph has them, or the gain would be theirs.
    read = found.labels.numpy()
    labels = refined_labels(graph, read)
    if not are_better(labels, known, graph, thin):
        return targets
    return replace(
        targets,
        functions=found.functions,
        labels=torch.from_numpy(labels),
        eigenvalues=found.eigenvalues,
        # Those who disagree with another label may mean this one.
        agreement=np.where(labels == read, found.agreement, 1.0 - found.agreement),
        thinned=True,
    )


def _targets_of(
    graph: Graph,
    task: Task,
    seeds: Seeds,
    device: torch.device,
    progress: Progress,
    n_starts: int | None = None,
) -> Targets:
    """Targets of one graph."""
    with progress.stage("eigenvectors") as stage:
        eigenvalues, spectrum = _spectra(graph, task, seeds, device)
        stage.result = f"{eigenvalues.size} of {graph.n_nodes} nodes"
    # An embedding has no clusters to be read.
    has_clusters = task.most_clusters > 1
    with (progress if has_clusters else SILENT).stage("labels") as stage:
        targets = _read(spectrum, eigenvalues, graph, task, seeds, device, n_starts)
        stage.result = count_text(targets.n_clusters, "cluster")
    return targets


def _read(
    spectrum: Spectrum,
    eigenvalues: FloatArray,
    graph: Graph,
    task: Task,
    seeds: Seeds,
    device: torch.device,
    n_starts: int | None,
) -> Targets:
    """Targets that are read off the eigenvectors of a graph."""
    n_nodes, functions = graph.n_nodes, spectrum.functions
    curve = None
    if task.max_clusters is not None:
        most = most_clusters(task.max_clusters, n_nodes)
        curve = read_curve(
            functions, spectrum.eigenvalues, graph, most, seed=seeds.labels
        )
    n_clusters = task.n_clusters or (1 if curve is None else curve.curve.best)
    n_components = min(max(task.n_learned(n_clusters), 2), functions.shape[1])
    n_read = max(task.n_read, n_components)
    reading = read_clusters(
        functions[:, :n_read],
        spectrum.eigenvalues[:n_read],
        min(n_clusters, n_nodes),
        graph,
        seed=seeds.labels,
        n_starts=n_starts,
        device=device,
    )
    # In one layout, whether computed or read from a checkpoint: sums round by it.
    learned = functions[:, 1:n_components].astype(np.float32, order="C")
    return Targets(
        torch.from_numpy(learned),
        torch.from_numpy(reading.labels),
        eigenvalues,
        n_clusters,
        reading.agreement,
        *(() if curve is None else curve),
    )


def _spectra(
    graph: Graph, task: Task, seeds: Seeds, device: torch.device
) -> tuple[FloatArray, Spectrum]:
    """Exact eigenvalues, and the spectrum without functions of single outliers."""
    n_nodes = graph.n_nodes
    spectrum = graph_spectrum(
        graph.weights,
        min(task.n_solved, n_nodes),
        uniform=graph.uniform,
        component_labels=graph.component_labels,
        seed=seeds.spectrum,
        device=device,
        n_precise=min(task.n_precise, n_nodes),
    )
    n_least = min(task.n_least, n_nodes)
    kept = without_localized(spectrum, task.most_clusters, n_least)
    return spectrum.eigenvalues, kept


def without_localized(spectrum: Spectrum, n_clusters: int, n_least: int) -> Spectrum:
    """Leave out functions that tell but a few nodes from the rest.

    Outliers that hang on the graph by a thread have eigenvalues near 1 and functions
    of their own, as small components have. No network can learn those, and no cluster
    is read off them. The support of a function of unit mean square is the inverse of
    its mean fourth power, as a share of the volume.

    Parameters
    ----------
    spectrum : Spectrum
        Leading eigenpairs.
    n_clusters : int
        Clusters to be read.
    n_least : int
        Functions that must remain, or all do.

    Returns
    -------
    spectrum : Spectrum
        Those that more than a few nodes have a part in.
    """
    shares = spectrum.degrees / (spectrum.degrees.sum() or 1.0)
    # Column by column: fourth powers of all would be another block.
    fourth = [shares @ column**4 for column in spectrum.functions.T]
    support = 1.0 / np.maximum(fourth, 1.0)
    # Components that were kept are clusters, however small they are.
    kept = (spectrum.eigenvalues == 1.0) | (support >= LOCAL_SHARE / n_clusters)
    if kept.all() or kept.sum() < n_least:
        return spectrum
    return Spectrum(
        spectrum.eigenvalues[kept], spectrum.eigenvectors[:, kept], spectrum.degrees
    )
