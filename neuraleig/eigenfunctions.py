"""Fitted eigenfunctions: all that transform and predict need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from neuraleig._device import ordinary_torch
from neuraleig._shard import ALONE, Shard
from neuraleig._standardize import (
    CACHED_ELEMENTS,
    FARTHEST,
    SLICE_ELEMENTS,
    Standardization,
    bounded,
)
from neuraleig._typing import Array, FloatArray
from neuraleig.spectrum import rayleigh_ritz
from neuraleig.spectrum._ritz import nearest_to_known

__all__ = ["Eigenfunctions", "Standardization"]

# Rows per forward pass: the activations of a slice then stay in the cache.
SLICE_ROWS = 2048
# The last slice is filled up to a multiple of this many rows. Matrix products pick
# their kernel, hence their rounding, by the number of rows; with this a row gets the
# same bits alone as in company.
ROW_MULTIPLE = 32
# Relative deviations from a constant that float32 cannot tell from one.
ROUNDING = 4 * np.finfo(np.float32).eps


class Eigenfunctions(nn.Module):
    """Network, rotation and eigenvalues: eigenfunctions of a graph, at any row.

    The first function is the constant 1, which is known exactly. The others have
    mean 0 and unit mean square under the degrees of the graph of the fit, and are
    ordered by eigenvalue: by that of the graph, where it was solved.

    Parameters
    ----------
    network : nn.Module
        Trained on standardised rows; returns ``Outputs``.
    standardization : Standardization
        Centre, unit and bound of the data.
    mean : Tensor of shape (n_functions,)
        Mean of the network's functions under the degrees.
    rotation : Tensor of shape (n_functions, n_components - 1)
        From :func:`neuraleig.spectrum.rayleigh_ritz`, or the rotation that maps the
        functions nearest to exact ones.
    eigenvalues : Tensor of shape (n_components,), float64
        Rayleigh quotients of the functions, that of the constant first.
    """

    shift: Tensor
    scale: Tensor
    bound: Tensor
    mean: Tensor
    rotation: Tensor
    eigenvalues: Tensor

    def __init__(
        self,
        network: nn.Module,
        standardization: Standardization,
        mean: Tensor,
        rotation: Tensor,
        eigenvalues: Tensor,
    ) -> None:
        super().__init__()
        self.network = network
        shift, scale, bound = standardization
        self.register_buffer("shift", torch.as_tensor(shift, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        self.register_buffer("bound", torch.tensor(bound, dtype=torch.float64))
        self.register_buffer("mean", mean)
        self.register_buffer("rotation", rotation)
        self.register_buffer("eigenvalues", eigenvalues)

    @classmethod
    def from_graph(
        cls,
        network: nn.Module,
        standardization: Standardization,
        inputs: Tensor,
        weights: sp.csr_array,
        degrees: FloatArray,
        uniform: float = 0.0,
        n_components: int | None = None,
        known: FloatArray | None = None,
        shard: Shard = ALONE,
    ) -> Eigenfunctions:
        """Rotate a network's functions to the eigenfunctions of a graph.

        Parameters
        ----------
        network : nn.Module
            Trained on standardised rows; returns ``Outputs``.
        standardization : Standardization
            Centre and unit of the data.
        inputs : Tensor of shape (n_nodes, n_features)
            Standardised row of every node.
        weights : csr_array of shape (n_nodes, n_nodes)
            Symmetric affinity.
        degrees : ndarray of shape (n_nodes,)
            Its row sums, the uniform weight included.
        uniform : float, default=0.0
            Weight that every pair of nodes has in addition.
        n_components : int or None, default=None
            Most functions to keep, the constant one included. ``None``: all.
        known : ndarray of shape (n_nodes, n_functions) or None, default=None
            Exact eigenfunctions without the constant one, to which the rotation then
            leads; ``None``: it is that of Rayleigh and Ritz.
        shard : Shard, default=ALONE
            Rows that this process evaluates and sums; all are given all rows.

        Returns
        -------
        eigenfunctions : Eigenfunctions
            On the device of the network.

        Notes
        -----
        Memory O(n_nodes n_functions).
        """
        evaluated, _ = _evaluate(network, inputs[shard.part(len(inputs))])
        values = shard.gathered(torch.from_numpy(evaluated)).numpy()
        return cls.from_values(
            network,
            standardization,
            values,
            weights,
            degrees,
            uniform,
            n_components,
            known,
            shard,
        )

    @classmethod
    def from_values(
        cls,
        network: nn.Module,
        standardization: Standardization,
        values: Array,
        weights: sp.csr_array,
        degrees: FloatArray,
        uniform: float = 0.0,
        n_components: int | None = None,
        known: FloatArray | None = None,
        shard: Shard = ALONE,
    ) -> Eigenfunctions:
        """Rotate a network's functions, whose values at the nodes are at hand.

        Parameters
        ----------
        network, standardization
            As for :meth:`from_graph`.
        values : ndarray of shape (n_nodes, n_functions)
            The network's functions at every node.
        weights, degrees, uniform, n_components, known, shard
            As for :meth:`from_graph`.

        Returns
        -------
        eigenfunctions : Eigenfunctions
            On the device of the network.
        """
        # A graph without edges has no volume: its rows then count alike.
        if not np.any(degrees > 0):
            degrees = np.ones_like(degrees)
        volume = degrees.sum()
        shares = degrees / volume
        values, mean = _centred(values.astype(np.float64), shares)
        mass, energy = _mass_and_energy(values, shares, weights, shard)
        total = values.sum(axis=0)
        energy = energy + uniform * np.outer(total, total)
        if known is None:
            pairs = rayleigh_ritz(mass, energy / volume)
        else:
            overlap = values.T @ (shares[:, None] * known)
            pairs = nearest_to_known(mass, energy / volume, overlap)
        n_kept = None if n_components is None else n_components - 1
        rotation = pairs.rotation[:, :n_kept].astype(np.float32)
        device = next(network.parameters()).device
        return cls(
            network,
            standardization,
            torch.from_numpy(mean.astype(np.float32)).to(device),
            torch.from_numpy(rotation).to(device),
            torch.from_numpy(np.concatenate([[1.0], pairs.eigenvalues[:n_kept]])),
        )

    @property
    def n_components(self) -> int:
        """Number of functions, the constant one included."""
        return int(self.rotation.shape[1]) + 1

    def standardize(self, X: Tensor) -> Tensor:
        """Rows in the units of the data as ``forward`` takes them.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_features)
            Rows of any float type, on any device.

        Returns
        -------
        inputs : Tensor of shape (n_rows, n_features), float32
            Standardised in float64, on the device of the module; values far beyond
            those of the fit grow by their logarithm. Gradients pass.

        Examples
        --------
        >>> import numpy as np
        >>> import torch
        >>> from neuraleig import NeuralEigenSpectralClustering
        >>> X = np.repeat([0.0, 9.0], 20)[:, None] + np.linspace(0, 1, 40)[:, None]
        >>> module = NeuralEigenSpectralClustering(2).fit(X).eigenfunctions_
        >>> rows = torch.from_numpy(X).requires_grad_()
        >>> functions, logits = module(module.standardize(rows))
        >>> functions[:, 1].sum().backward()
        >>> rows.grad.shape
        torch.Size([40, 1])
        """
        X = X.to(self.shift.device)
        on_cpu = X.device.type == "cpu"
        step = CACHED_ELEMENTS // X.shape[1] if on_cpu else len(X)
        parts = torch.split(X, max(1, step))
        return torch.cat([self._standardized(part) for part in parts])

    def _standardized(self, X: Tensor) -> Tensor:
        """Rows as ``standardize`` returns them, few enough for the cache of a CPU."""
        # As Standardization.apply does: before the division, which may overflow.
        reach = FARTHEST * self.scale
        moved = X.double() - self.shift
        rows = (moved.clamp(-reach, reach) / self.scale).float()
        if rows.device.type != "cpu" or rows.requires_grad:
            return bounded(rows, self.bound)
        # Logarithms of what needs them: they cost more than all the rest.
        far = rows.abs() > self.bound
        try:
            has_far = bool(far.any())
        except RuntimeError:
            # Under vmap, values cannot decide what is done.
            return bounded(rows, self.bound)
        if not has_far:
            return rows
        return rows.masked_scatter(far, bounded(rows[far], self.bound))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Functions and scores of clusters of some rows.

        Parameters
        ----------
        inputs : Tensor of shape (n_rows, n_features)
            Standardised rows, on the device of the module; see :meth:`standardize`.

        Returns
        -------
        functions : Tensor of shape (n_rows, n_components)
            Eigenfunctions, the constant one first.
        logits : Tensor of shape (n_rows, n_clusters)
            Scores of the clusters.
        """
        outputs = self.network(inputs)
        # This way round: CPU kernels for narrow right factors round a row by where
        # it stands in the batch.
        learned = (self.rotation.T @ (outputs.functions - self.mean).T).T
        constant = torch.ones_like(learned[:, :1])
        if learned.shape[1] == 0:
            constant = torch.ones_like(outputs.functions[:, :1])
        return torch.cat([constant, learned], dim=1), outputs.logits

    def evaluate(self, X: Array, shard: Shard = ALONE) -> tuple[Array, Array]:
        """Functions and scores of clusters of some rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        shard : Shard, default=ALONE
            Rows that this process evaluates; the results are those of all rows.

        Returns
        -------
        functions : ndarray of shape (n_samples, n_components), float32
            Eigenfunctions, the constant one first.
        logits : ndarray of shape (n_samples, n_clusters), float32
            Scores of the clusters.

        Notes
        -----
        Memory beyond the results: that of :meth:`slices`. Every row is a function of
        itself alone, to the last bit.
        """
        own = X[shard.part(X.shape[0])]
        # A process without rows still knows the widths of the results.
        parts = list(self.slices(own)) or [_evaluate(self, self._standardize(own))]
        functions, logits = (
            shard.gathered(torch.from_numpy(np.concatenate(pieces))).numpy()
            for pieces in zip(*parts, strict=True)
        )
        return functions, logits

    def slices(
        self, X: Array, *, with_functions: bool = True
    ) -> Iterator[tuple[Array, Array]]:
        """Functions and scores of clusters, slice by slice.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows; may lie on disk.
        with_functions : bool, default=True
            Without, functions have no columns, and cost nothing.

        Yields
        ------
        functions, logits : ndarray
            Those of :meth:`evaluate` for the next rows.

        Notes
        -----
        Memory: 48 MiB of standardised rows, and one slice of 2,048 rows in the network.
        """
        step = max(SLICE_ROWS, SLICE_ELEMENTS // X.shape[1] // SLICE_ROWS * SLICE_ROWS)
        for start in range(0, X.shape[0], step):
            rows = self._standardize(X[start : start + step])
            yield _evaluate(self, rows, self if with_functions else self._scores)

    def _scores(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """No functions, and the scores of clusters."""
        scores: Callable[[Tensor], Tensor] | None
        scores = getattr(self.network, "scores", None)
        logits = self.network(inputs).logits if scores is None else scores(inputs)
        return logits[:, :0], logits

    @ordinary_torch()
    def _standardize(self, X: Array) -> Tensor:
        shift, scale = self.shift.cpu().numpy(), float(self.scale)
        return Standardization(shift, scale, float(self.bound)).apply(X)


def _centred(values: FloatArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Functions less their means, and the means."""
    mean = shares @ values
    rounding = ROUNDING * np.abs(values).max(axis=0)
    values -= mean
    # What is left of a constant is rounding; scaled up it would look smooth.
    values[:, np.abs(values).max(axis=0) <= rounding] = 0.0
    return values, mean


def _mass_and_energy(
    values: FloatArray, shares: FloatArray, weights: sp.csr_array, shard: Shard
) -> FloatArray:
    """Mass and energy of functions by stored edges, summed over the processes."""
    own = shard.part(len(values))
    mine = values[own]
    # A slice of all rows would be a copy.
    stored = weights if shard.world_size == 1 else weights[own]
    sums = np.stack([mine.T @ (shares[own, None] * mine), mine.T @ (stored @ values)])
    return np.asarray(shard.total(torch.from_numpy(sums)).numpy())


@ordinary_torch()
def _evaluate(
    module: nn.Module, rows: Tensor, function: Callable[..., Any] | None = None
) -> tuple[Array, Array]:
    """First two outputs of a module or one of its methods, by fixed shapes."""
    function = module if function is None else function
    device = next(module.parameters()).device
    functions, logits = [], []
    was_training = module.training
    if was_training:
        module.eval()
    with torch.inference_mode():
        for start in range(0, max(rows.shape[0], 1), SLICE_ROWS):
            part = rows[start : start + SLICE_ROWS].to(device, torch.float32)
            count = part.shape[0]
            # No rows at all still tell the widths of the outputs.
            missing = -count % ROW_MULTIPLE if count else ROW_MULTIPLE
            if missing:
                last = part[-1:] if count else part.new_zeros(1, part.shape[1])
                part = torch.cat([part, last.expand(missing, -1)])
            outputs = function(part)
            functions.append(outputs[0][:count].cpu())
            logits.append(outputs[1][:count].cpu())
    if was_training:
        module.train()
    return torch.cat(functions).numpy(), torch.cat(logits).numpy()
