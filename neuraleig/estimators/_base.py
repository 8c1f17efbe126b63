"""Parameters, fit and fitted attributes that both row estimators have."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

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
from neuraleig._sklearn import (
    CallbackSupportMixin,
    FitTask,
)
from neuraleig._sparse_rows import KEPT_METRICS, learn_projection
from neuraleig._typing import AnyRows, FloatArray, IntArray, Rows
from neuraleig._validation import check_groups
from neuraleig._warnings import warn_user
from neuraleig.affinity import Affinity
from neuraleig.estimators._alignment import FindFormer
from neuraleig.estimators._checkpoint import check_same_data, identity_of, keep_seeds
from neuraleig.estimators._evaluation import joined
from neuraleig.estimators._novelty import NoveltyScorer
from neuraleig.estimators._parameters import RowParameters
from neuraleig.estimators._scales import warn_of_scales
from neuraleig.estimators._start import (
    check_common,
    common_checkpoint,
    common_seeds,
)
from neuraleig.networks import EigenNetwork, make_network
from neuraleig.reading._alignment import FormerClusters
from neuraleig.training import Training
from neuraleig.training._callbacks import check_callbacks
from neuraleig.training._checkpoint import NOTHING_KEPT, Checkpoint, CheckpointFolder
from neuraleig.training._distributed import current_shard
from neuraleig.training._history import begin_histories


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
        Rows of the graph, dense; wide sparse ones are projected.
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
    former : FormerClusters or None
        Clusters of a former model at the drawn rows.
    """

    drawn: DrawnRows
    affinity: Affinity
    training: Training
    run: Run
    matrix: sp.csr_array | None
    groups: IntArray | None
    former: FormerClusters | None


class EigenfunctionEstimator(CallbackSupportMixin, RowParameters, NoveltyScorer):
    """Base of the row estimators: learns eigenfunctions and evaluates them."""

    n_components: int | None
    eigenvalues_: FloatArray
    graph_eigenvalues_: FloatArray

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
        self, parts: Iterable[AnyRows], affinity: Affinity, seed: int
    ) -> DrawnRows:
        """Rows of which the graph is built: all, or as many as it may have."""
        # A precomputed affinity is one of all rows.
        most = sys.maxsize if affinity.needs_matrix else self.max_graph_rows
        drawn = draw_rows(parts, most, seed)
        if drawn.n_rows < 2:
            raise ValueError(
                f"Found array with {drawn.n_rows} sample(s) while a minimum of 2 is "
                "required."
            )
        return drawn

    def _checked_matrix(
        self, affinity: Affinity, affinity_matrix: object, drawn: DrawnRows
    ) -> sp.csr_array | None:
        """Given affinity of the drawn rows, as the affinity takes it."""
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
        matrix = affinity.check_matrix(affinity_matrix, drawn.n_rows)
        index = drawn.index
        return matrix if index is None else sp.csr_array(matrix[index][:, index])

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
        self,
        X: Rows,
        affinity_matrix: object,
        groups: object,
        fit_task: FitTask,
        find_former: FindFormer | None = None,
    ) -> RowFit:
        """Check what was passed, and agree on it with the other processes."""
        affinity, training = self._check_parameters()
        affinity_matrix = as_numpy(affinity_matrix, "affinity_matrix")
        run = self._run(fit_task)
        drawn = self._draw_rows(X, affinity, run.seeds.rows)
        given = drawn.rows
        matrix = self._checked_matrix(affinity, affinity_matrix, drawn)
        codes = self._checked_groups(affinity, groups, drawn)
        self._check_drawn(drawn)
        drawn = self._projected(drawn, affinity, run)
        rows = drawn.rows
        self._check_heads(rows.shape[1])
        if matrix is None and self.projection_ is None and run.shard.rank == 0:
            warn_of_scales(rows, _names_of(X))
        check_common(self, rows, matrix, codes, run.shard)
        former = run.shard.first(lambda: find_former and find_former(given))
        # A fit that is refused leaves nothing behind.
        keep_seeds(run.checkpoint, run.seeds)
        check_same_data(
            run.checkpoint, X=given, affinity_matrix=affinity_matrix, groups=codes
        )
        self._fit_id = begin_histories(run.callbacks)
        return RowFit(drawn, affinity, training, run, matrix, codes, former)

    def _projected(self, drawn: DrawnRows, affinity: Affinity, run: Run) -> DrawnRows:
        """Dense rows of the graph; wide sparse ones are projected."""
        rows, metric = drawn.rows, affinity.get_params().get("metric", "cosine")
        if sp.issparse(rows) and metric not in KEPT_METRICS:
            raise ValueError(
                f"metric={metric!r} compares features one by one, and sparse rows of "
                f"{rows.shape[1]} features are projected first, which keeps distances "
                "and angles; use metric='cosine' or 'euclidean', or pass dense rows."
            )
        # By one process for all, since processors round differently.
        self.projection_ = run.shard.first(
            lambda: learn_projection(rows, run.seeds.rows)
        )
        if self.projection_ is not None:
            before, after = self.projection_.shape
            run.progress.report(f"{before:,} sparse features projected onto {after}")
        return replace(drawn, rows=joined(self._network_rows(rows)))

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
        is_first = shard.rank == 0
        progress = Progress(int(self.verbose), fit_task, is_first=is_first)
        return Run(seeds, device, shard, progress, checkpoint, callbacks)

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
        by_head: bool = False,
    ) -> Settings:
        by_edges = True
        if isinstance(problem, RowProblem):
            by_edges = problem.affinity.samples_edges
        return Settings.of(
            training,
            by_edges=by_edges,
            n_rows=problem.n_rows,
            by_head=by_head,
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
        self._fit_density(problem, run)


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


def _names_of(X: Rows) -> Sequence[str] | None:
    """Names of features that a frame, or a table of the command line, has."""
    names = getattr(X, "columns" if hasattr(X, "iloc") else "feature_names", None)
    return None if names is None else list(names)
