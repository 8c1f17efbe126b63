"""Several processes that do one fit: the only file that knows torch.distributed."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from neuraleig._batch import Outputs
from neuraleig._random import seeded_torch
from neuraleig._shard import ALONE, Shard

T = TypeVar("T")

# What torchrun tells every process, and torch needs to find the others.
LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# Longest wait for another process. It is long since some work is done by the first
# process alone: eigenvectors of a million nodes take ten minutes.
TIMEOUT = timedelta(minutes=30)
# Seconds for threads of gloo to drop what they have sent, for which they need the
# interpreter: one that still waits for it when the interpreter ends aborts the process.
FAREWELL = 0.1
# What generators of torch take, signed.
LARGEST_SEED = 2**63
# Set inside fit_alone: threads see it, and processes that start there inherit it.
FITS_ALONE = "NEURALEIG_FITS_ALONE"


@contextmanager
def fit_alone() -> Iterator[None]:
    """Let this process fit by itself, whatever process group there is.

    For programs whose processes fit models of their own, such as a search whose
    candidates are divided among them. Holds for all threads of this process, and for
    the processes that it starts.

    Yields
    ------
    None
        The ``with`` statement needs no target.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from neuraleig import NeuralEigenSpectralClustering
    >>> from neuraleig.training import fit_alone
    >>> X, _ = make_moons(100, random_state=0)
    >>> with fit_alone():
    ...     model = NeuralEigenSpectralClustering(2).fit(X)
    """
    before = os.environ.get(FITS_ALONE)
    os.environ[FITS_ALONE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FITS_ALONE]
        else:
            os.environ[FITS_ALONE] = before


def current_shard() -> Shard:
    """Share of this process in a fit that starts now.

    Under ``torchrun`` the processes meet here at their first fit. A process group
    that the program has made is used as it is.

    Returns
    -------
    shard : Shard
        ``ALONE`` in an ordinary process, and inside :func:`fit_alone`.
    """
    if FITS_ALONE in os.environ or not dist.is_available():
        return ALONE
    if not dist.is_initialized():
        if not _is_launched():
            return ALONE
        _meet()
    return ProcessShard() if dist.get_world_size() > 1 else ALONE


def _is_launched() -> bool:
    """Whether a launcher has started this process as one of several."""
    known = all(name in os.environ for name in LAUNCHED)
    return known and int(os.environ["WORLD_SIZE"]) > 1


def _meet() -> None:
    """Make the default process group, with one CUDA device per process."""
    backend = "gloo"
    if torch.cuda.is_available() and dist.is_nccl_available():
        # What is on the CPU goes by gloo even then.
        backend = "cpu:gloo,cuda:nccl"
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        if local_rank < torch.cuda.device_count():
            torch.cuda.set_device(local_rank)
    dist.init_process_group(backend, timeout=TIMEOUT)
    atexit.register(_leave)


def _leave() -> None:
    """Destroy the process group that was made here."""
    if dist.is_initialized():
        dist.destroy_process_group()
    time.sleep(FAREWELL)


class ProcessShard(Shard):
    """Share of one process of torch's default process group."""

    def __init__(self) -> None:
        super().__init__(dist.get_rank(), dist.get_world_size())
        backends = dict(
            pair.split(":") for pair in dist.get_backend_config().split(",")
        )
        # Kinds of devices from which the group sends: NCCL takes tensors of CUDA only,
        # and gloo takes them for some of its calls only.
        self._sending = {
            device
            for device, backend in backends.items()
            if device == "cpu" or backend != "gloo"
        }

    def gathered(self, part: Tensor) -> Tensor:
        """Parts of all processes one below the other, in order of rank."""
        size = self._sendable(torch.tensor([part.shape[0]]))
        sizes = [torch.empty_like(size) for _ in range(self.world_size)]
        dist.all_gather(sizes, size)
        return self._concatenated(part, [int(size) for size in sizes])

    def total(self, part: Tensor) -> Tensor:
        """Sum over the processes."""
        total = self._sendable(part.clone(memory_format=torch.contiguous_format))
        dist.all_reduce(total)
        return total.to(part.device)

    def first(self, function: Callable[[], T]) -> T:
        """What a function returns, or raises, on the first process."""
        outcome: list[Any] = [None, None]
        if self.rank == 0:
            try:
                outcome[0] = function()
            except Exception as error:
                # The others raise it too, where they would wait for a result.
                outcome[1] = error
        dist.broadcast_object_list(outcome, src=0)
        result, raised = outcome
        if raised is not None:
            raise raised
        found: T = result
        return found

    @torch.no_grad()
    def align(self, module: nn.Module) -> None:
        """Copy the state of the first process to all others, in place."""
        for tensor in (*module.parameters(), *module.buffers()):
            shared = self._sendable(tensor.detach()).contiguous()
            dist.broadcast(shared, src=0)
            tensor.copy_(shared)

    def is_common(self, value: object) -> bool:
        """Whether all processes hold an equal value."""
        values: list[object] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return all(other == values[0] for other in values)

    def forward(self, network: nn.Module, inputs: Tensor, number: int = 0) -> Outputs:
        """Outputs of a network for all rows, with gradients for those of this part.

        Soft assignments are made anew for all rows, so that their noise is that of
        the rows, by however many processes.
        """
        n_rows = inputs.shape[0]
        own = self.part(n_rows)
        # Networks may refuse an empty batch, and every parameter is to have a
        # gradient on all processes or on none: who has no row takes one for nothing.
        rows = inputs[own] if own.stop > own.start else inputs[:1]
        with self._own_draws(network, inputs.device, number):
            outputs: Outputs = network(rows)
        assignment = getattr(network, "assignment", None)
        sent = outputs if assignment is None else outputs[:2]
        received = self._gather_rows(
            [tensor[: own.stop - own.start] for tensor in sent], n_rows
        )
        if assignment is not None:
            received.append(assignment(received[1]))
        return Outputs(*received)

    def reduce_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients of all processes, in place."""
        held = [p for p in parameters if p.grad is not None]
        if not held:
            return
        # One message for all of them.
        flat = torch.cat([p.grad.reshape(-1) for p in held if p.grad is not None])
        summed = self._sendable(flat)
        dist.all_reduce(summed)
        pieces = torch.split(summed.to(flat.device), [p.numel() for p in held])
        for parameter, piece in zip(held, pieces, strict=True):
            parameter.grad = piece.view_as(parameter).to(parameter.dtype)

    def _own_draws(
        self, network: nn.Module, device: torch.device, number: int
    ) -> AbstractContextManager[None]:
        """Let what layers draw differ by process, and leave what all draw in step."""
        if not network.training:
            return nullcontext()
        shift = (number + 1) * self.world_size + self.rank
        return seeded_torch((torch.initial_seed() + shift) % LARGEST_SEED, device)

    def _gather_rows(self, parts: Sequence[Tensor], n_rows: int) -> list[Tensor]:
        """Rows of all processes, of several tensors in one message."""
        sizes = [rows.stop - rows.start for rows in self.parts(n_rows)]
        table = torch.cat(list(parts), dim=1)
        # Some versions of torch have types for this, others have not.
        gather: Callable[..., Any] = _Gather.apply
        rows: Tensor = gather(table, self, sizes)
        columns = torch.split(rows, [part.shape[1] for part in parts], dim=1)
        return [c.to(part.dtype) for c, part in zip(columns, parts, strict=True)]

    def _concatenated(self, part: Tensor, sizes: Sequence[int]) -> Tensor:
        """Parts of known sizes one below the other."""
        largest = max(sizes)
        sent = self._sendable(part.detach()).contiguous()
        if part.shape[0] < largest:
            missing = sent.new_zeros(largest - part.shape[0], *part.shape[1:])
            sent = torch.cat([sent, missing])
        received = [torch.empty_like(sent) for _ in sizes]
        dist.all_gather(received, sent)
        pieces = [rows[:size] for rows, size in zip(received, sizes, strict=True)]
        return torch.cat(pieces).to(part.device)

    def _sendable(self, tensor: Tensor) -> Tensor:
        """Tensor, on a device from which the group sends."""
        if tensor.device.type in self._sending:
            return tensor
        return tensor.cpu() if "cpu" in self._sending else tensor.cuda()


class _Gather(torch.autograd.Function):
    """Rows of all processes; back goes the gradient of this one's.

    Every process computes the same loss of all rows, so that it knows the whole
    gradient: nothing is exchanged on the way back.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        part: Tensor,
        shard: ProcessShard,
        sizes: Sequence[int],
    ) -> Tensor:
        start = sum(sizes[: shard.rank])
        ctx.own = slice(start, start + sizes[shard.rank])
        return shard._concatenated(part, sizes)

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor, None, None]:
        return gradient[ctx.own], None, None
