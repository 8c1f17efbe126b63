"""Parameters, fit and fitted attributes that both row estimators have."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from neuraleig._components import Component
from neuraleig._device import resolve_device
from neuraleig._fit import (
    STAGES,
    Fitted,
    Problem,
    Progress,
    RowProblem,
    Run,
    Settings,
)
from neuraleig._interchange import as_numpy
from neuraleig._rows import DrawnRows, draw_rows, iter_once
from neuraleig._sklearn import CallbackSupportMixin, FitTask, Interval, StrOptions
from neuraleig._typing import Array, FloatArray, IntArray, Rows
from neuraleig._validation import METRICS, check_groups, check_hidden_sizes
from neuraleig._warnings import warn_user
from neuraleig.affinity import Affinity, make_affinity
from neuraleig.affinity._build import AFFINITIES
from neuraleig.estimators._checkpoint import check_same_data, identity_of, keep_seeds
from neuraleig.estimators._evaluation import EigenfunctionTransformer
from neuraleig.estimators._start import (
    check_common,
    common_checkpoint,
    common_seeds,
)
from neuraleig.networks import EigenNetwork, TokenAttention, make_network
from neuraleig.networks._build import refuse_module
from neuraleig.training import Training
from neuraleig.training._callbacks import check_callbacks
from neuraleig.training._checkpoint import NOTHING_KEPT, Checkpoint, CheckpointFolder
from neuraleig.training._distributed import current_shard
from neuraleig.training._history import begin_histories
from neuraleig.training._precision import resolve_precision

# Most rows in the graph where max_graph_rows is left open: it fits into 6 GB, and is
# solved in some minutes of one core.
MAX_GRAPH_ROWS = 1_000_000
# Parameters beside ``affinity`` that hold for affinities by name.
BESIDE_AFFINITY = ("n_neighbors", "metric", "gamma")


@contextmanager
def unchanged_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Put an estimator's attributes back if the block raises."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


@dataclass(frozen=True)
class RowFit:
    """Rows of a fit that has begun, and its circumstances.

    Parameters
    ----------
    drawn : DrawnRows
        Rows of the graph.
    affinity : Affinity
        Not yet built.
    training : Training
        Settings, checked.
    run : Run
        Circumstances.
    matrix : csr_array of shape (n_samples, n_samples) or None
        Given affinity, checked.
    groups : ndarray of shape (n_samples,), int64, or None
        Given groups of the drawn rows, from 0.
    """

    drawn: DrawnRows
    affinity: Affinity
    training: Training
    run: Run
    matrix: sp.csr_array | None
    groups: IntArray | None


class EigenfunctionEstimator(CallbackSupportMixin, EigenfunctionTransformer):
    """Base of the row estimators: learns eigenfunctions and evaluates them."""

    n_components: int | None
    eigenvalues_: FloatArray
    graph_eigenvalues_: FloatArray

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "affinity": [StrOptions(set(AFFINITIES)), callable, Affinity],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions(set(METRICS))],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "network": [StrOptions({"mlp"}), callable],
        "hidden_sizes": [tuple, list],
        "training": [Training, None],
        "max_graph_rows": [Interval(Integral, 2, None, closed="left")],
        "device": [str],
        "callbacks": [list, tuple, None],
        "checkpoint": [str, PathLike, None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def _component(self, name: str, value: object) -> Any:  # noqa: ANN401
        if name == "training" and value is None:
            # Attention diverges at the learning rates that suit perceptrons.
            attends = isinstance(self.network, TokenAttention)
            return Training(lr=1e-3, optimizer="adam") if attends else Training()
        if name == "affinity" and (isinstance(value, str) or callable(value)):
            beside = {name: getattr(self, name) for name in BESIDE_AFFINITY}
            return make_affinity(value, **beside)
        return value

    def set_params(self, **params: Any) -> Self:  # noqa: ANN401
        """Set parameters, those of parts as ``<part>__<parameter>``.

        Parameters
        ----------
        **params
            Parameters by name. A part that is ``None`` or a name is made first;
            ``affinity__n_neighbors`` then takes the place of ``n_neighbors``.

        Returns
        -------
        self : estimator
            With these parameters.
        """
        super().set_params(**params)
        for name, usual in self._usual_beside_affinity().items():
            if f"affinity__{name}" in params and name not in params:
                setattr(self, name, usual)
        return self

    def _usual_beside_affinity(self) -> dict[str, Any]:
        """Defaults of the parameters beside ``affinity``."""
        signature = inspect.signature(type(self).__init__)
        # Derived classes may have fewer parameters.
        return {
            name: signature.parameters[name].default
            for name in BESIDE_AFFINITY
            if name in signature.parameters
        }

    def _check_parameters(self) -> tuple[Affinity, Training]:
        """Check parameters before any work, and return the components."""
        self._validate_params()
        owner = type(self).__name__
        check_hidden_sizes(self.hidden_sizes)
        refuse_module(self.network)
        if isinstance(self.network, Component):
            self.network.check("network", owner)
        check_callbacks(self.callbacks)
        self._check_beside_affinity()
        training = self._component("training", self.training)
        training.check("training", owner)
        resolve_precision(training.precision, resolve_device(self.device))
        affinity = make_affinity(self._component("affinity", self.affinity))
        affinity.check("affinity", owner)
        if not affinity.samples_edges and training.sampling == "edges":
            raise ValueError(
                "training__sampling='edges' is not compatible with "
                f"affinity={self.affinity!r}, which has no stored edges; use 'nodes' "
                "or 'auto'."
            )
        if not affinity.samples_edges and training.walk_length > 1:
            raise ValueError(
                f"training__walk_length={training.walk_length} needs stored edges to "
                f"walk along; it must be 1 with affinity={self.affinity!r}."
            )
        return affinity, training

    def _check_beside_affinity(self) -> None:
        """Refuse parameters that an affinity object contradicts."""
        if not isinstance(self.affinity, Affinity):
            return
        held = self.affinity.get_params(deep=False)
        for name, usual in self._usual_beside_affinity().items():
            own = getattr(self, name)
            if name in held and own not in (held[name], usual):
                raise ValueError(
                    f"{name}={own!r} contradicts affinity={self.affinity!r}; set "
                    f"affinity__{name} instead."
                )

    def _draw_rows(self, X: Rows, affinity: Affinity, seed: int) -> DrawnRows:
        """Check rows of a fit, and draw those of the graph."""
        if iter_once(X):
            raise TypeError(
                f"X is of type {type(X).__name__}, which can be read only once, and a "
                "fit reads it twice; pass something that starts anew whenever it is "
                "iterated over, such as a DataLoader, or use partial_fit."
            )
        parts = self._checked_parts(X, reset=True, ensure_min_samples=2)
        return self._draw_graph_rows(parts, affinity, seed)

    def _draw_graph_rows(
        self, parts: Iterable[Array], affinity: Affinity, seed: int
    ) -> DrawnRows:
        """Rows of which the graph is built: all, or as many as it may have."""
        # A given affinity is one of all rows.
        most = sys.maxsize if affinity.takes_matrix else self.max_graph_rows
        drawn = draw_rows(parts, most, seed)
        if drawn.n_rows < 2:
            raise ValueError(
                f"Found array with {drawn.n_rows} sample(s) while a minimum of 2 is "
                "required."
            )
        return drawn

    def _checked_matrix(
        self, affinity: Affinity, affinity_matrix: object, n_samples: int
    ) -> sp.csr_array | None:
        """Given affinity of the rows, as the affinity takes it."""
        if affinity_matrix is None:
            if affinity.needs_matrix:
                raise ValueError(
                    f"affinity={self.affinity!r} needs the matrix: pass "
                    "affinity_matrix=... (of these rows)."
                )
            return None
        if not affinity.takes_matrix:
            raise ValueError(
                f"affinity_matrix was passed but affinity={self.affinity!r}; set "
                "affinity='precomputed' to use it."
            )
        return affinity.check_matrix(affinity_matrix, n_samples)

    def _checked_groups(
        self, affinity: Affinity, groups: object, drawn: DrawnRows
    ) -> IntArray | None:
        """Given groups of the drawn rows, from 0."""
        if groups is None:
            if affinity.takes_groups:
                raise ValueError(
                    f"affinity={self.affinity!r} needs groups: pass groups=... (one "
                    "per row)."
                )
            return None
        if not affinity.takes_groups:
            raise ValueError(
                f"groups were passed but affinity={self.affinity!r} does not use them; "
                "set affinity=NeighborAffinity(across_groups=True), of "
                "neuraleig.affinity, or leave them out."
            )
        return check_groups(groups, drawn.n_rows, drawn.index)

    def _begin_fit(self, X: Rows) -> FitTask:
        """Notify scikit-learn's callbacks, if there are any."""
        init = getattr(self.training, "init", "spectral")
        stages = STAGES["random" if init == "random" else "spectral"]
        return FitTask.of_fit(self, X, len(stages))

    def _start_fit(
        self, X: Rows, affinity_matrix: object, groups: object, fit_task: FitTask
    ) -> RowFit:
        """Check what was passed, and agree on it with the other processes."""
        affinity, training = self._check_parameters()
        affinity_matrix = as_numpy(affinity_matrix, "affinity_matrix")
        run = self._run(fit_task)
        drawn = self._draw_rows(X, affinity, run.seeds.rows)
        rows = drawn.rows
        matrix = self._checked_matrix(affinity, affinity_matrix, rows.shape[0])
        codes = self._checked_groups(affinity, groups, drawn)
        self._check_drawn(drawn)
        check_common(self, rows, matrix, codes, run.shard)
        # A fit that is refused leaves nothing behind.
        keep_seeds(run.checkpoint, run.seeds)
        check_same_data(
            run.checkpoint, X=rows, affinity_matrix=affinity_matrix, groups=codes
        )
        self._fit_id = begin_histories(run.callbacks)
        return RowFit(drawn, affinity, training, run, matrix, codes)

    def _check_drawn(self, drawn: DrawnRows) -> None:
        """Refuse parameters that the number of rows does not allow."""

    def _run(self, fit_task: FitTask) -> Run:
        """Circumstances of a fit, with checked parameters."""
        device, shard = resolve_device(self.device), current_shard()
        checkpoint: Checkpoint = NOTHING_KEPT
        if self.checkpoint is not None:
            path, identity = self.checkpoint, identity_of(self, device)
            checkpoint = common_checkpoint(
                shard, lambda: CheckpointFolder(path, identity)
            )
        seeds = common_seeds(checkpoint, shard, self.random_state)
        callbacks = check_callbacks(self.callbacks)
        # One process reports for all.
        verbose = int(self.verbose) if shard.rank == 0 else 0
        return Run(
            seeds, device, shard, Progress(verbose, fit_task), checkpoint, callbacks
        )

    def _row_problem(self, begun: RowFit, n_clusters: int) -> RowProblem:
        """Problem of the rows, with its graph."""
        return RowProblem.build(
            begun.drawn.rows,
            begun.affinity,
            n_clusters,
            begun.run,
            n_jobs=self.n_jobs,
            matrix=begun.matrix,
            groups=begun.groups,
        )

    def _settings(
        self,
        training: Training,
        problem: Problem,
        run: Run,
        max_passes: float = math.inf,
    ) -> Settings:
        by_edges = True
        if isinstance(problem, RowProblem):
            by_edges = problem.affinity.samples_edges
        return Settings.of(
            training,
            by_edges=by_edges,
            n_rows=problem.n_rows,
            max_passes=max_passes,
            device=run.device,
        )

    def _make_network(
        self, settings: Settings, problem: Problem, n_functions: int, n_clusters: int
    ) -> EigenNetwork:
        return make_network(
            self.network,
            n_features=problem.n_features,
            n_functions=n_functions,
            n_clusters=n_clusters,
            hidden_sizes=self.hidden_sizes,
            head=settings.head,
            assignment=settings.assignment,
            rows=problem.rows,
        )

    def _store(self, fitted: Fitted, problem: Problem, run: Run) -> None:
        """Set the attributes that both estimators have."""
        # As users find it: layers that draw, such as dropout, do not.
        self.eigenfunctions_ = fitted.eigenfunctions.eval()
        asked, found = self.n_components, self._n_features_out
        if asked is not None and found < asked:
            _warn_of_fewer_functions(asked, found, fitted, problem.n_nodes)
        self.eigenvalues_ = fitted.eigenfunctions.eigenvalues.cpu().numpy().copy()
        self.graph_eigenvalues_ = self.eigenvalues_
        if fitted.targets is not None:
            self.graph_eigenvalues_ = fitted.targets.eigenvalues
        self.loss_curve_ = fitted.losses
        self.n_iter_ = fitted.n_updates
        self.n_connected_components_ = problem.graph.n_connected_components
        self.device_ = str(next(fitted.eigenfunctions.parameters()).device)


def _warn_of_fewer_functions(
    asked: int, found: int, fitted: Fitted, n_nodes: int
) -> None:
    """Warn that there are fewer eigenfunctions than asked for, and why."""
    reason = (
        "the network tells no more apart; make its last layers wider (hidden_sizes)"
    )
    # As many as nodes are all there are.
    if fitted.eigenfunctions.n_components >= n_nodes:
        reason = f"the graph has {n_nodes} distinct rows; lower n_components"
    warn_user(
        f"Only {found} of n_components={asked} eigenfunctions were found: {reason}.",
        ConvergenceWarning,
    )
