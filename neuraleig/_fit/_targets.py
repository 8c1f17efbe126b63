"""Targets of the warm start: eigenfunctions of the graph, and labels read off them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neuraleig._device import CPU
from neuraleig._random import Seeds
from neuraleig._typing import FloatArray, IntArray
from neuraleig.affinity import Graph
from neuraleig.objectives import SpectralRegression
from neuraleig.reading import read_clusters
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
    agreement : ndarray of shape (n_nodes,)
        Share of the readings that agree with a label; NaN where it is not known.
    """

    functions: Tensor
    labels: Tensor
    eigenvalues: FloatArray
    agreement: FloatArray

    @property
    def reading(self) -> tuple[IntArray, FloatArray]:
        """Labels of the nodes, and their agreement."""
        return self.labels.numpy(), self.agreement

    def regression(self, device: torch.device) -> SpectralRegression:
        """Objective that teaches them."""
        return SpectralRegression(self.functions.to(device), self.labels.to(device))


def solve_targets(
    graph: Graph,
    n_components: int,
    n_read: int,
    n_clusters: int,
    diffusion_time: float,
    seeds: Seeds,
    device: torch.device = CPU,
) -> Targets:
    """Exact eigenvectors of the graph, and labels read off them.

    Labels are read from up to ``n_read`` eigenvectors, of which the network is to
    learn the first ``n_components``.
    """
    spectrum = graph_spectrum(
        graph.weights,
        min(max(n_read, n_components), graph.n_nodes),
        uniform=graph.uniform,
        component_labels=graph.component_labels,
        seed=seeds.spectrum,
        device=device,
        n_precise=n_components,
    )
    eigenvalues = spectrum.eigenvalues
    spectrum = without_localized(spectrum, n_clusters, n_components)
    reading = read_clusters(
        spectrum.functions,
        spectrum.eigenvalues,
        n_clusters,
        graph,
        diffusion_time=diffusion_time,
        seed=seeds.labels,
    )
    # In one layout, whether computed or read from a checkpoint: sums round by it.
    functions = spectrum.functions[:, 1:n_components].astype(np.float32, order="C")
    return Targets(
        torch.from_numpy(functions),
        torch.from_numpy(reading.labels),
        eigenvalues,
        reading.agreement,
    )


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
