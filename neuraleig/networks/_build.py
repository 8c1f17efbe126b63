"""The network: standardised inputs, a trunk, and two heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from neuraleig._batch import Outputs
from neuraleig.networks._heads import (
    Assignment,
    Head,
    RowLinear,
    SoftAssignment,
    make_head,
)
from neuraleig.networks._mlp import MLP

TrunkFactory = Callable[[int], nn.Module]


class EigenNetwork(nn.Module):
    """Trunk with a head for eigenfunctions and one for clusters.

    Inputs are standardised before they reach it, see
    :class:`neuraleig.eigenfunctions.Eigenfunctions`.

    Parameters
    ----------
    trunk : nn.Module
        Maps (n_rows, n_features) to (n_rows, n_hidden).
    function_head, label_head : nn.Module
        Map (n_rows, n_hidden) to (n_rows, n_functions) and (n_rows, n_clusters).
    assignment : SoftAssignment
        Turns the scores of the clusters into soft assignments.
    n_functions, n_clusters : int
        Widths of the two heads.
    """

    def __init__(
        self,
        trunk: nn.Module,
        function_head: nn.Module,
        label_head: nn.Module,
        assignment: SoftAssignment,
        n_functions: int,
        n_clusters: int,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.function_head = function_head
        self.label_head = label_head
        self.assignment = assignment
        # Plain ones: sizes that a grid search takes from an array are no JSON.
        self.n_functions = int(n_functions)
        self.n_clusters = int(n_clusters)

    @property
    def has_solvable_labels(self) -> bool:
        """Whether the label head is free to be what least squares say."""
        return isinstance(self.label_head, RowLinear)

    @property
    def hidden_matrices(self) -> list[nn.Parameter]:
        """Weights of the trunk that map vectors to vectors and are trained.

        Not the first, in order of registration, if more go in than come out: it costs
        more to orthogonalise than is gained.
        """
        weights = self.trunk.parameters()
        matrices = [w for w in weights if w.ndim >= 2 and w.numel() > 0]
        if matrices and matrices[0][0].numel() > matrices[0].shape[0]:
            del matrices[0]
        return [weight for weight in matrices if weight.requires_grad]

    def scores(self, inputs: Tensor) -> Tensor:
        """Compute the scores of the clusters alone.

        Parameters
        ----------
        inputs : Tensor of shape (n_rows, n_features)
            Standardised rows.

        Returns
        -------
        scores : Tensor of shape (n_rows, n_clusters)
            Before the softmax.
        """
        logits: Tensor = self.label_head(self.trunk(inputs))
        return logits

    def forward(self, inputs: Tensor) -> Outputs:
        """Functions, scores of clusters and soft assignments of a batch.

        Parameters
        ----------
        inputs : Tensor of shape (n_rows, n_features)
            Standardised rows.

        Returns
        -------
        outputs : Outputs
            With functions not yet rotated to eigenfunctions.
        """
        hidden = self.trunk(inputs)
        device = inputs.device.type
        if not torch.is_autocast_enabled(device):
            return self._outputs(hidden)
        # A trunk may be trained in a lower precision, what is said of rows may not.
        with torch.autocast(device, enabled=False):
            return self._outputs(hidden.float())

    def _outputs(self, hidden: Tensor) -> Outputs:
        logits = self.label_head(hidden)
        return Outputs(self.function_head(hidden), logits, self.assignment(logits))


def make_network(
    network: str | TrunkFactory,
    *,
    n_features: int,
    n_functions: int,
    n_clusters: int,
    hidden_sizes: Sequence[int] = (256, 128),
    head: Head = "linear",
    assignment: Assignment = "softmax",
    rows: Tensor | None = None,
) -> EigenNetwork:
    """Make the network that the estimators' parameters describe.

    Parameters
    ----------
    network : "mlp" or callable
        A callable takes ``n_features`` and returns an ``nn.Module`` that maps
        (n_rows, n_features) to (n_rows, n_hidden).
    n_features : int
        Width of the inputs.
    n_functions, n_clusters : int
        Widths of the two heads.
    hidden_sizes : sequence of int, default=(256, 128)
        Widths of the layers of the perceptron.
    head : {"linear", "orthogonal"}, default="linear"
        Last layers.
    assignment : {"softmax", "gumbel_softmax"}, default="softmax"
        Soft assignment of the scores in training.
    rows : Tensor of shape (n_rows, n_features) or None, default=None
        Standardised rows among which the perceptron is placed, see :class:`MLP`.

    Returns
    -------
    network : EigenNetwork
        With initial weights from torch's global generator.
    """
    refuse_module(network)
    if callable(network):
        trunk = network(n_features)
    else:
        trunk = MLP(n_features, hidden_sizes)
        if rows is not None:
            trunk.place(rows)
    n_hidden = _width(trunk, n_features)
    if head == "orthogonal":
        refuse_narrow(n_hidden, max(n_functions, n_clusters), "head")
    return EigenNetwork(
        trunk,
        make_head(head, n_hidden, n_functions),
        make_head(head, n_hidden, n_clusters),
        SoftAssignment(noise=assignment == "gumbel_softmax"),
        n_functions,
        n_clusters,
    )


def refuse_module(network: object, prefix: str = "") -> None:
    """Refuse a module where what makes one is wanted: modules are callable too.

    ``prefix`` precedes the name of the parameter.
    """
    if isinstance(network, nn.Module):
        raise TypeError(
            f"{prefix}network is a module ({type(network).__name__}); pass a callable "
            "that makes one, such as lambda n_features: nn.Linear(n_features, 64)."
        )


def refuse_narrow(n_hidden: int, n_outputs: int, path: str) -> None:
    """Refuse orthogonal heads, by the path of their parameter, of too few inputs."""
    if n_hidden < n_outputs:
        raise ValueError(
            f"{path}='orthogonal' is not compatible with a network of {n_hidden} "
            f"outputs; it must have at least {n_outputs}, the number of eigenfunctions "
            "or clusters."
        )


def _width(trunk: nn.Module, n_features: int) -> int:
    """Width of the trunk's outputs, found by a forward pass of two rows."""
    if not isinstance(trunk, nn.Module):
        raise TypeError(
            f"network returned {type(trunk).__name__}; it must return an nn.Module."
        )
    was_training = trunk.training
    trunk.eval()
    try:
        with torch.no_grad():
            hidden = trunk(torch.zeros(2, n_features))
    except RuntimeError as error:
        raise ValueError(
            f"network fails on float32 rows of shape (2, {n_features}): {error}"
        ) from error
    trunk.train(was_training)
    if not isinstance(hidden, Tensor) or hidden.dtype != torch.float32:
        kind = hidden.dtype if isinstance(hidden, Tensor) else type(hidden).__name__
        raise TypeError(
            f"network maps rows to {kind}; it must return a tensor of float32."
        )
    if hidden.ndim != 2 or hidden.shape[0] != 2 or hidden.shape[1] == 0:
        raise ValueError(
            f"network maps 2 rows to a tensor of shape {tuple(hidden.shape)}; it must "
            "map (n_rows, n_features) to (n_rows, n_hidden)."
        )
    return int(hidden.shape[1])
