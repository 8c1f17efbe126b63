"""What turns gradients into steps: Adam, and Muon for the matrices."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor, nn

OptimizerName = Literal["muon", "adam"]
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)

# Coefficients of the iteration that takes singular values to about 1, and how often
# it runs, after Jordan et al. (2024).
QUINTIC = (3.4445, -4.7750, 2.0315)
N_ITERATIONS = 5
# Root mean square of a step, in learning rates: that of Adam's, so that one learning
# rate serves both, after Liu et al. (2025).
RMS_OF_ADAM = 0.2
# The zero matrix is divided by this.
TINY = 1e-12
# Devices on which Adam takes its step in one kernel.
FUSED = ("cpu", "cuda")


def orthogonalized(matrix: Tensor) -> Tensor:
    """Matrix of the same singular vectors whose singular values are about 1.

    Parameters
    ----------
    matrix : Tensor of shape (n_rows, n_columns)
        Any matrix; zero stays zero.

    Returns
    -------
    orthogonalized : Tensor of shape (n_rows, n_columns)
        Singular values between about 0.7 and 1.2 where those of ``matrix`` were not
        far below the largest.
    """
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.mT if tall else matrix
    x = x / x.norm().clamp_min(TINY)
    for _ in range(N_ITERATIONS):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class _UncompiledOptimizer(torch.optim.Optimizer):
    """Methods of torch's optimisers without what keeps compilers out of them.

    The first call of any of those imports the compiler, which takes longer than many a
    fit. Steps are never compiled here.
    """

    def __new__(cls, *_args: object, **_options: object) -> Self:
        made = super().__new__(cls)
        for name in ("add_param_group", "state_dict", "load_state_dict"):
            method = inspect.unwrap(getattr(torch.optim.Optimizer, name))
            setattr(made, name, MethodType(method, made))
        return made


class Adam(_UncompiledOptimizer, torch.optim.Adam):
    """torch's Adam."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class Muon(_UncompiledOptimizer):
    """Momentum, orthogonalised: all directions of a matrix learn at the same pace.

    Where Adam takes hundreds of steps to the eigenfunctions of small graphs, this
    takes some dozens. torch's own came with version 2.9, and in bfloat16, which CPUs
    are slow at.

    Parameters
    ----------
    matrices : sequence of Parameter
        With at least two dimensions, of which those after the first are taken for
        one.
    lr : float
        Learning rate, in the unit of Adam's.
    momentum : float, default=0.9
        Share of the old gradients.

    References
    ----------
    .. [1] K. Jordan et al., "Muon: an optimizer for hidden layers in neural
       networks", 2024.
    .. [2] J. Liu et al., "Muon is scalable for LLM training", 2025.
    """

    def __init__(
        self, matrices: Sequence[nn.Parameter], lr: float, momentum: float = 0.9
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step along the present gradients.

        Parameters
        ----------
        closure : callable or None, default=None
            Function without arguments that computes the loss and the gradients. It is
            called first.

        Returns
        -------
        loss : float or None
            What ``closure`` returned; ``None`` without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._step(weight, group["lr"], group["momentum"])
        return loss

    def _step(self, weight: Tensor, lr: float, momentum: float) -> None:
        gradient = weight.grad
        assert gradient is not None
        state: dict[str, Any] = self.state[weight]
        if not state:
            state["mean"] = torch.zeros_like(gradient)
        mean: Tensor = state["mean"]
        mean.lerp_(gradient, 1 - momentum)
        # A step ahead, after Nesterov.
        ahead = torch.lerp(gradient, mean, momentum).flatten(start_dim=1)
        direction = orthogonalized(ahead).view_as(weight)
        scale = RMS_OF_ADAM * max(ahead.shape) ** 0.5
        weight.add_(direction, alpha=-lr * scale)


def make_optimizers(
    name: OptimizerName, network: nn.Module, matrices: Sequence[nn.Parameter], lr: float
) -> list[torch.optim.Optimizer]:
    """Make the optimisers that the estimators' ``optimizer`` names.

    Parameters
    ----------
    name : {"muon", "adam"}
        Muon for ``matrices`` and Adam for all else, or Adam for all.
    network : nn.Module
        To be trained.
    matrices : sequence of Parameter
        Those of its hidden layers.
    lr : float
        Learning rate.

    Returns
    -------
    optimizers : list of Optimizer
        Every parameter belongs to one of them.
    """
    by_muon = list(matrices) if name == "muon" else []
    taken = {id(weight) for weight in by_muon}
    others = [weight for weight in network.parameters() if id(weight) not in taken]
    optimizers: list[torch.optim.Optimizer] = []
    if by_muon:
        optimizers.append(Muon(by_muon, lr))
    if others:
        # One kernel for all, where torch has it.
        is_fused = all(w.device.type in FUSED and w.is_floating_point() for w in others)
        optimizers.append(Adam(others, lr=lr, fused=is_fused or None))
    return optimizers
