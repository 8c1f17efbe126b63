"""What both estimators share: parameters, the fit of eigenfunctions, transform."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from neuraleig._random import Seeds
from neuraleig._shard import ALONE, Shard
from neuraleig._typing import Array
from neuraleig._validation import (
    METRICS,
    check_affinity_matrix,
    check_hidden_sizes,
    check_neighbors_matrix,
    check_range,
)
from neuraleig.affinity import (
    AFFINITIES,
    EDGE_WEIGHTS,
    PRECOMPUTED,
    Affinity,
    RBFAffinity,
    make_affinity,
)
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.estimators._fit import FittedFunctions, Task, fit_functions
from neuraleig.estimators._steps import Settings
from neuraleig.networks import (
    HEADS,
    Assignment,
    EigenNetwork,
    make_network,
    refuse_module,
)
from neuraleig.training import OPTIMIZERS, current_shard, resolve_device

# Most steps of fine-tuning where max_iter is left open.
MAX_ITER = {"spectral": 300, "random": 1_000}
# Most passes over the rows from a warm start on: labels of the head gain nothing by
# more, but what is read off the functions does.
MAX_PASSES = 25
# Of the rows that processes share about so many are compared: those of another order,
# or of another part of the data, differ in nearly all.
COMPARED_ROWS = 64
# Parameters that may differ, and types of those that can be told to be equal.
OWN_PARAMETERS = ("random_state", "device", "n_jobs")
PLAIN = (bool, int, float, str, tuple, list, type(None))


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


class EigenfunctionEstimator(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Base of the estimators: learns eigenfunctions and evaluates them."""

    eigenfunctions_: Eigenfunctions

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "affinity": [StrOptions(set(AFFINITIES)), callable],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions(set(METRICS))],
        "edge_weights": [StrOptions(set(EDGE_WEIGHTS))],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "regularization": [Interval(Real, 0, None, closed="left")],
        "init": [StrOptions({"spectral", "random"})],
        "objective": [StrOptions({"rayleigh", "neuralef", "nested_low_rank"})],
        "sampling": [StrOptions({"auto", "edges", "nodes"})],
        "walk_length": [Interval(Integral, 1, None, closed="left")],
        "network": [StrOptions({"mlp"}), callable],
        "hidden_sizes": [tuple, list],
        "head": [StrOptions(set(HEADS))],
        "max_iter": [Interval(Integral, 0, None, closed="left"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "device": [str],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def transform(self, X: ArrayLike) -> Array:
        """Evaluate the eigenfunctions at rows, seen in the fit or not.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        functions : ndarray of shape (n_samples, n_components)
            Ordered eigenfunctions, in the float type of ``X``. Row ``i`` depends on
            row ``i`` of ``X`` alone.
        """
        return self._transform_checked(self._check_rows(X))

    def _transform_checked(self, rows: Array, shard: Shard = ALONE) -> Array:
        functions, _ = self.eigenfunctions_.evaluate(rows, shard)
        return functions.astype(rows.dtype, copy=False)

    def _check_rows(self, X: ArrayLike) -> Array:
        check_is_fitted(self)
        rows: Array = validate_data(
            self, X, dtype=[np.float64, np.float32], reset=False
        )
        return rows

    @property
    def _n_features_out(self) -> int:
        return self.eigenfunctions_.n_components

    def _check_fit_input(self, X: ArrayLike) -> Array:
        """Check parameters and rows before any work."""
        self._validate_params()
        check_hidden_sizes(self.hidden_sizes)
        refuse_module(self.network)
        kernel = callable(self.affinity) or self.affinity in ("rbf", "cosine")
        if kernel and self.sampling == "edges":
            raise ValueError(
                f"sampling='edges' is not compatible with affinity={self.affinity!r}, "
                "which has no stored edges; use sampling='nodes' or 'auto'."
            )
        if self.walk_length > 1 and (kernel or self.sampling == "nodes"):
            raise ValueError(
                f"walk_length={self.walk_length} needs stored edges to walk along; it "
                "must be 1 with sampling='nodes' and with kernels."
            )
        rows: Array = validate_data(
            self, X, dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        check_range(rows)
        return rows

    def _make_affinity(
        self, affinity_matrix: object, n_samples: int, gamma: float | None
    ) -> Affinity:
        """Affinity of the parameters, with the matrix that was passed, checked."""
        if affinity_matrix is not None and self.affinity not in PRECOMPUTED:
            raise ValueError(
                f"affinity_matrix was passed but affinity={self.affinity!r}; set "
                "affinity='precomputed' to use it."
            )
        matrix: sp.csr_array | None = None
        if affinity_matrix is not None and self.affinity == "precomputed":
            matrix = check_affinity_matrix(affinity_matrix, n_samples)
        elif affinity_matrix is not None:
            matrix = check_neighbors_matrix(
                affinity_matrix, n_samples, self.n_neighbors
            )
        return make_affinity(
            self.affinity,
            matrix=matrix,
            n_neighbors=self.n_neighbors,
            metric=self.metric,
            edge_weights=self.edge_weights,
            gamma=gamma,
            regularization=self.regularization,
            n_jobs=self.n_jobs,
        )

    def _settings(self, task: Task, affinity: Affinity, n_samples: int) -> Settings:
        """Parameters of training, with what "auto" and None stand for."""
        by_edges = affinity.samples_edges and self.sampling != "nodes"
        max_iter = MAX_ITER[self.init]
        max_passes = MAX_PASSES if task.labels_by_head else math.inf
        if self.init == "spectral":
            most = max_passes * n_samples / self.batch_size
            max_iter = math.ceil(min(most, max_iter))
        if self.max_iter is not None:
            max_iter = self.max_iter
        return Settings(
            init=self.init,
            objective=self.objective,
            label_objective=task.label_objective,
            sampling="edges" if by_edges else "nodes",
            walk_length=self.walk_length,
            max_iter=max_iter,
            # What is known exactly is as good as it gets, unless steps are asked for.
            tunes_anyway=self.max_iter is not None,
            batch_size=self.batch_size,
            lr=self.lr,
            optimizer=self.optimizer,
            temperature=task.temperature,
            max_passes=max_passes,
            early_stopping=self.early_stopping,
            validation_fraction=self.validation_fraction,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
        )

    def _make_network(
        self, rows: Tensor, n_functions: int, n_clusters: int, assignment: Assignment
    ) -> EigenNetwork:
        return make_network(
            self.network,
            n_features=rows.shape[1],
            n_functions=n_functions,
            n_clusters=n_clusters,
            hidden_sizes=self.hidden_sizes,
            head=self.head,
            assignment=assignment,
            rows=rows,
        )

    def _meet(self, rows: Array) -> tuple[Shard, Seeds]:
        """Share of this process, and seeds that all processes of the fit have."""
        shard = current_shard()
        seeds = Seeds.draw(self.random_state)
        plain = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if name not in OWN_PARAMETERS and isinstance(value, PLAIN)
        }
        sample = rows[:: max(1, len(rows) // COMPARED_ROWS)]
        if not shard.is_common((plain, rows.shape, sample.tobytes())):
            raise ValueError(
                "X or the parameters differ between the processes of this fit. All "
                "must pass the same rows in the same order; call fit inside "
                "neuraleig.training.fit_alone() for a model per process."
            )
        return shard, shard.first(lambda: seeds)

    def _fit_functions(
        self,
        rows: Array,
        affinity: Affinity,
        task: Task,
        seeds: Seeds,
        shard: Shard,
    ) -> FittedFunctions:
        """Run the steps that both estimators share."""
        settings = self._settings(task, affinity, rows.shape[0])
        device = resolve_device(self.device)
        return fit_functions(
            rows, affinity, task, settings, seeds, device, self._make_network, shard
        )

    def _store(self, fitted: FittedFunctions) -> None:
        """Set the attributes that both estimators have."""
        self.eigenfunctions_ = fitted.eigenfunctions
        self.eigenvalues_ = fitted.eigenfunctions.eigenvalues.cpu().numpy().copy()
        self.graph_eigenvalues_ = self.eigenvalues_
        if fitted.targets is not None:
            self.graph_eigenvalues_ = fitted.targets.eigenvalues
        self.loss_curve_ = fitted.losses
        self.n_iter_ = fitted.n_updates
        self.n_connected_components_ = fitted.problem.graph.n_connected_components
        self.device_ = str(next(fitted.eigenfunctions.parameters()).device)
        if isinstance(fitted.problem.affinity, RBFAffinity):
            self.gamma_ = fitted.problem.affinity.gamma_
        elif hasattr(self, "gamma_"):
            # Left by an earlier fit with another affinity.
            del self.gamma_
