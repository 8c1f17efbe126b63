"""Settings of training: a component of the estimators."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

from neuraleig._components import Component
from neuraleig._sklearn import Interval, StrOptions
from neuraleig._validation import check_temperature
from neuraleig.training._optimizers import OPTIMIZERS, OptimizerName
from neuraleig.training._precision import PRECISIONS, Precision

INITS = ("spectral", "random")
OBJECTIVES = ("rayleigh", "neuralef", "nested_low_rank")
LABEL_OBJECTIVES = ("normalized_cut", "neuralef")
SAMPLINGS = ("auto", "edges", "nodes")


class Training(Component):
    """Settings of training.

    Parameters
    ----------
    init : {"spectral", "random"}, default="spectral"
        Start from exact eigenvectors and labels of the graph, or from random weights
        without any eigensolver, which ``assign_labels="kmeans"`` suits better.
    max_iter : int or None, default=None
        Most steps of fine-tuning. ``None``: 1,000 with ``init="random"``; otherwise
        300 (25 passes over the rows with ``assign_labels="argmax"``), or none where
        the warm start has learned its targets.
    objective : {"rayleigh", "neuralef", "nested_low_rank"}, default="rayleigh"
        Objective of the eigenfunctions.
    label_objective : {"normalized_cut", "neuralef"}, default="normalized_cut"
        Objective of the soft assignments; ``"neuralef"`` is the published one.
    sampling : {"auto", "edges", "nodes"}, default="auto"
        Batches of edges drawn by weight, or of rows with the affinity among them.
        ``"auto"``: edges where the graph is stored, rows for kernels.
    walk_length : int, default=1
        Steps of the random walk that joins the two rows of a sampled edge.
    head : {"linear", "orthogonal"}, default="linear"
        Last layers of the network. Linear ones are solved for by least squares.
    assignment : {"softmax", "gumbel_softmax"}, default="softmax"
        Soft assignments in training; ``"gumbel_softmax"`` is the published one.
    temperature : tuple of two floats, default=(1.0, 1.0)
        Temperature of the soft assignments at the first and the last step.
    batch_size : int or None, default=None
        Rows per fine-tuning step (``batch_size // 2`` edges); the warm start uses
        half as many. ``None``: 512, and 1,024 from 50,000 rows on after an exact warm
        start. For a network over windows of images, windows per step; ``None``: as
        many as have 6,400 tokens.
    lr : float, default=3e-3
        Highest learning rate of fine-tuning, which falls along a cosine.
    optimizer : {"muon", "adam"}, default="muon"
        Muon orthogonalises the steps of hidden layers; Adam trains the rest.
    early_stopping : bool, default=True
        Keep the best state by held-out edges (at least 256), and stop when it no
        longer improves.
    validation_fraction : float, default=0.1
        Share of the edges (of the rows, for kernels) that is held out.
    n_iter_no_change : int, default=10
        Evaluations without improvement, one every 50 steps, before training stops.
    tol : float, default=1e-4
        Relative improvement that counts.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Type of the products of the trunk in training; ``"auto"`` is float32.
    compile : bool, default=False
        Compile the forward passes of training with ``torch.compile``.
    checkpoint_interval : int, default=100
        Least number of fine-tuning steps between two saves to the ``checkpoint`` of
        the estimator.

    See Also
    --------
    neuraleig.NeuralEigenSpectralClustering : Takes it as ``training``.

    Notes
    -----
    Parameters are checked by the estimator, before any work.

    Examples
    --------
    >>> from neuraleig import NeuralEigenSpectralClustering
    >>> from neuraleig.training import Training
    >>> model = NeuralEigenSpectralClustering(training=Training(max_iter=100))
    >>> model.set_params(training__lr=1e-3).training
    Training(lr=0.001, max_iter=100)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "init": [StrOptions(set(INITS))],
        "max_iter": [Interval(Integral, 0, None, closed="left"), None],
        "objective": [StrOptions(set(OBJECTIVES))],
        "label_objective": [StrOptions(set(LABEL_OBJECTIVES))],
        "sampling": [StrOptions(set(SAMPLINGS))],
        "walk_length": [Interval(Integral, 1, None, closed="left")],
        "head": [StrOptions({"linear", "orthogonal"})],
        "assignment": [StrOptions({"softmax", "gumbel_softmax"})],
        "temperature": [tuple, list],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "precision": [StrOptions(set(PRECISIONS))],
        "compile": ["boolean"],
        "checkpoint_interval": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        init: str = "spectral",
        *,
        max_iter: int | None = None,
        objective: str = "rayleigh",
        label_objective: str = "normalized_cut",
        sampling: str = "auto",
        walk_length: int = 1,
        head: str = "linear",
        assignment: str = "softmax",
        temperature: Sequence[float] = (1.0, 1.0),
        batch_size: int | None = None,
        lr: float = 3e-3,
        optimizer: OptimizerName = "muon",
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        precision: Precision = "auto",
        compile: bool = False,
        checkpoint_interval: int = 100,
    ) -> None:
        self.init = init
        self.max_iter = max_iter
        self.objective = objective
        self.label_objective = label_objective
        self.sampling = sampling
        self.walk_length = walk_length
        self.head = head
        self.assignment = assignment
        self.temperature = temperature
        self.batch_size = batch_size
        self.lr = lr
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.precision = precision
        self.compile = compile
        self.checkpoint_interval = checkpoint_interval

    def check(self, path: str, owner: str) -> None:
        """Check the parameters, as the estimator does before any work."""
        super().check(path, owner)
        check_temperature(self.temperature, f"{path}__temperature")
        if self.walk_length > 1 and self.sampling == "nodes":
            raise ValueError(
                f"{path}__walk_length={self.walk_length} needs stored edges to walk "
                f"along; set it to 1, or {path}__sampling to 'edges'."
            )
