"""The fit over tokens: from windows of images to eigenfunctions and clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neuraleig._random import seeded_torch
from neuraleig._standardize import Standardization
from neuraleig._typing import Array, IntArray
from neuraleig.affinity import Graph
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.fit._targets import Targets, solve_targets
from neuraleig.metrics import modularity
from neuraleig.networks import EigenNetwork, TokenTransformer, make_token_network
from neuraleig.sampling import Windows, padded_inputs
from neuraleig.segmentation._clusters import label_head, merged_scores
from neuraleig.segmentation._token_sample import (
    HeldWindows,
    PreparedWindows,
    SampleRules,
    TokenSample,
    channel_units,
)
from neuraleig.segmentation._training import TokenContext, fine_tune, warm_start


@dataclass(frozen=True)
class TokenTask:
    """What is to be learned of tokens.

    Parameters
    ----------
    n_clusters, n_components : int
        Clusters and eigenfunctions, the constant one included.
    n_read : int
        Eigenvectors of the sample that labels are read from, at most.
    diffusion_time : float
        Their weight.
    assign_labels : {"argmax", "kmeans"}
        What clusters are in the end.
    tokens_per_window : int or None
        Tokens of a window that training looks at; ``None``: :func:`usual_tokens`.
    max_graph_tokens : int
        Tokens of the sample.
    """

    n_clusters: int
    n_components: int
    n_read: int
    diffusion_time: float
    assign_labels: str
    tokens_per_window: int | None
    max_graph_tokens: int


@dataclass(frozen=True)
class FittedTokens:
    """What the fit comes to.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        Takes raw features of tokens; the label head of its network is final.
    graph : Graph
        Of the sample.
    labels : ndarray of shape (n_nodes,), int64
        Labels of the tokens of the sample.
    targets : Targets or None
        What the warm start taught.
    modularity : float
        Of these labels on the graph.
    losses : list of float
        Of every step of fine-tuning.
    n_updates : int
        Steps in all.
    """

    eigenfunctions: Eigenfunctions
    graph: Graph
    labels: IntArray
    targets: Targets | None
    modularity: float
    losses: list[float]
    n_updates: int


def fit_tokens(
    windows: Windows, task: TokenTask, context: TokenContext
) -> FittedTokens:
    """Sample, exact targets, warm start, fine-tuning, clusters, rotation.

    Parameters
    ----------
    windows : Windows
        All windows of the images.
    task : TokenTask
        What is to be learned.
    context : TokenContext
        By which rules.

    Returns
    -------
    fitted : FittedTokens
        On the device of the context.
    """
    seeds, device = context.seeds, context.device
    shift, scale = channel_units(windows, seeds.rows)
    rules = _rules(task, context)
    prepared = rules.prepare(windows, shift, scale, seeds.rows)
    sample = _sample(prepared, rules, context)
    targets = None
    # A single token has no function but the constant to learn.
    if context.settings.init == "spectral" and sample.graph.n_nodes > 1:
        targets = _targets(sample.graph, task, context)
    with seeded_torch(seeds.network, device):
        network = _make_network(len(shift), sample.graph.n_nodes, task, context)
        n_updates = 0
        if targets is not None:
            n_updates = warm_start(network, sample, targets, context)
        state = fine_tune(network, prepared, context)
        hidden, functions = evaluated(network, sample.windows, device)
        # A new layer, which draws weights.
        network.label_head, labels = label_head(
            network, hidden, task.assign_labels, task.n_clusters, seeds.labels
        )
        network.n_clusters = int(labels.max()) + 1
    eigenfunctions = _rotated(network, functions, sample.graph, targets, task)
    # It has learned standardised features, and is given raw ones from here on.
    trunk = network.trunk
    assert isinstance(trunk, TokenTransformer)
    trunk.standardize(shift.to(device), scale.to(device))
    n_updates += state.step
    return FittedTokens(
        eigenfunctions,
        sample.graph,
        labels,
        targets,
        modularity(sample.graph.weights, labels),
        state.losses,
        n_updates,
    )


def _rules(task: TokenTask, context: TokenContext) -> SampleRules:
    return SampleRules(
        task.tokens_per_window,
        task.max_graph_tokens,
        context.n_graph_channels,
        context.settings.n_neighbors,
        context.settings.pixel_weight,
        context.device,
    )


def _sample(
    windows: PreparedWindows, rules: SampleRules, context: TokenContext
) -> TokenSample:
    with context.progress.stage("neighbours") as stage:
        sample = rules.draw(windows, context.seeds.graph)
        graph = sample.graph
        stage.result = f"{graph.n_nodes} tokens, {graph.weights.nnz // 2} edges"
    return sample


def _targets(graph: Graph, task: TokenTask, context: TokenContext) -> Targets:
    with context.progress.stage("eigenvectors") as stage:
        targets = solve_targets(
            graph,
            min(max(task.n_components, 2), graph.n_nodes),
            task.n_read,
            min(task.n_clusters, graph.n_nodes),
            task.diffusion_time,
            context.seeds,
            context.device,
        )
        stage.result = f"{targets.eigenvalues.size} of {graph.n_nodes} tokens"
    return targets


def _make_network(
    n_features: int, n_nodes: int, task: TokenTask, context: TokenContext
) -> EigenNetwork:
    settings = context.settings
    network = make_token_network(
        n_features,
        n_functions=max(min(task.n_components, n_nodes) - 1, 1),
        n_clusters=min(task.n_clusters, n_nodes),
        width=settings.hidden_size,
        n_blocks=settings.n_blocks,
        n_heads=settings.n_heads,
        mlp_width=settings.mlp_size,
        head=settings.head,
        assignment=settings.assignment,
    )
    return network.to(context.device)


def labels_of_sample(
    eigenfunctions: Eigenfunctions, sample: TokenSample, groups: IntArray
) -> IntArray:
    """Labels of the tokens of a sample.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        Fitted: takes raw features.
    sample : TokenSample
        Of standardised features, as the fit had them.
    groups : ndarray of shape (n_clusters,), int64
        Unions of clusters, see :func:`merged_scores`.

    Returns
    -------
    labels : ndarray of shape (n_tokens,), int64
        In the order of the nodes of the graph.
    """
    network = eigenfunctions.network
    assert isinstance(network, EigenNetwork)
    trunk = network.trunk
    assert isinstance(trunk, TokenTransformer)
    shift, scale = trunk.shift, trunk.scale
    labels = []
    with torch.no_grad():
        for number in range(len(sample.windows.sizes)):
            features = sample.windows[number].features.to(shift.device)
            inputs = padded_inputs([features * scale + shift])
            scores = merged_scores(network.scores(inputs), groups)
            labels.append(scores.argmax(dim=1).cpu().numpy())
    return np.concatenate(labels)


@torch.no_grad()
def evaluated(
    network: EigenNetwork, windows: HeldWindows, device: torch.device
) -> tuple[Tensor, Array]:
    """Hidden units and functions at all tokens of some windows, one at a time."""
    network.eval()
    hidden = []
    functions = []
    for number in range(len(windows.sizes)):
        inputs = padded_inputs([windows[number].features]).to(device)
        own = network.trunk(inputs)
        hidden.append(own)
        functions.append(network.function_head(own).cpu())
    return torch.cat(hidden), torch.cat(functions).numpy()


def _rotated(
    network: EigenNetwork,
    functions: Array,
    graph: Graph,
    targets: Targets | None,
    task: TokenTask,
) -> Eigenfunctions:
    """Eigenfunctions of the graph of the sample in the span of the network's."""
    return Eigenfunctions.from_values(
        network,
        Standardization(np.zeros(1), 1.0),
        functions,
        graph.weights,
        graph.degrees,
        graph.uniform,
        task.n_components,
        None if targets is None else targets.functions.numpy(),
    )
