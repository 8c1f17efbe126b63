"""The fit of a clustering to a problem: network, reading of labels and numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from neuraleig._device import ordinary_torch
from neuraleig._fit import Fitted, Problem, Run, Task, fit
from neuraleig._rows import DrawnRows
from neuraleig._sklearn import with_callbacks
from neuraleig._typing import Array, IntArray, Matrix, Rows
from neuraleig._validation import check_n_clusters
from neuraleig.estimators._alignment import FindFormer
from neuraleig.estimators._base import RowFit, unchanged_on_failure
from neuraleig.estimators._cluster_numbers import ClusterNumbers, alternatives_of
from neuraleig.metrics import normalized_cut
from neuraleig.reading import Discretizer
from neuraleig.reading._calibration import fit_calibration
from neuraleig.reading._cluster_curve import n_looked_at
from neuraleig.reading._fit_discretizer import fit_discretizer, warn_of_dead_clusters
from neuraleig.reading._renumbered import renumbered
from neuraleig.training import Training

# Eigenfunctions per cluster that labels are read from, where n_components is open.
# As many as readings are tried with, see FUNCTIONS_PER_CLUSTER.
READ_PER_CLUSTER = 3


class ClusterFit(ClusterNumbers):
    """Base of the clustering: its fit, whatever the problem is made of."""

    @with_callbacks
    @ordinary_torch()
    def _fit(
        self,
        X: Rows,
        affinity_matrix: Matrix | None,
        groups: ArrayLike | None,
        make_problem: Callable[[RowFit, int], Problem],
        find_former: FindFormer | None = None,
    ) -> Self:
        """Fit to the problem that is made of the rows once they are checked."""
        fit_task = self._begin_fit(X)
        with unchanged_on_failure(self):
            begun = self._start_fit(X, affinity_matrix, groups, fit_task, find_former)
            index = begun.drawn.index
            problem = make_problem(begun, self._most_clusters)
            labels, asked = self._fit_problem(problem, begun)
            self.affinity_ = begun.affinity
            self._stream = None
            self.n_samples_seen_ = begun.drawn.n_rows
            self.labels_ = labels if index is None else self.predict(X)
            sizes = np.bincount(self.labels_, minlength=self._discretizer.n_clusters)
            self.cluster_shares_ = sizes / sizes.sum()
            warn_of_dead_clusters(self.labels_, asked)
            begun.run.checkpoint.clear()
        fit_task.end()
        return self

    @property
    def _per_cluster(self) -> int:
        """Eigenfunctions per cluster that are learned where their number is open."""
        return READ_PER_CLUSTER if self.assign_labels == "kmeans" else 1

    @property
    def _n_learned(self) -> int:
        # One besides the constant is the least that can be learned.
        return self.n_components or max(self._per_cluster * self._most_clusters, 2)

    def _check_drawn(self, drawn: DrawnRows) -> None:
        """Refuse more clusters than rows."""
        check_n_clusters(
            self._asked_n_clusters or 1,
            drawn.rows.shape[0],
            are_drawn=drawn.index is not None,
        )

    def _fit_problem(self, problem: Problem, begun: RowFit) -> tuple[IntArray, int]:
        """Fit to a checked problem; labels of its rows, and clusters asked for."""
        run = begun.run
        fitted = fit(problem, self._task(problem, begun.training, run), run)
        functions, logits = problem.evaluate(fitted.eigenfunctions, run.shard)
        discretizer = run.shard.first(
            lambda: fit_discretizer(
                self.assign_labels,
                problem.graph,
                fitted.eigenfunctions.eigenvalues.cpu().numpy(),
                functions,
                logits,
                n_clusters=fitted.n_clusters,
                seed=run.seeds.labels,
            )
        )
        self._store(fitted, problem, run)
        discretizer = self._numbered(discretizer, functions, logits, begun)
        self._discretizer = discretizer
        self.n_clusters_ = discretizer.n_clusters
        self.cluster_curve_ = None if fitted.targets is None else fitted.targets.curve
        self._alternatives = alternatives_of(
            self.assign_labels, fitted, problem, functions, discretizer, begun
        )
        labels = discretizer.labels(functions, logits)
        graph = problem.graph
        self._fit_calibration(fitted, problem, functions, logits, labels, run)
        self.ncut_ = normalized_cut(
            graph.weights, labels[graph.index], uniform=graph.uniform
        )
        return labels, fitted.n_clusters

    def _fit_calibration(
        self,
        fitted: Fitted,
        problem: Problem,
        functions: Array,
        logits: Array,
        labels: IntArray,
        run: Run,
    ) -> None:
        """Fit the calibration of the probabilities."""
        reading = None if fitted.targets is None else fitted.targets.reading
        with run.progress.stage("calibration") as stage:
            self._calibration, self.mean_confidence_ = run.shard.first(
                lambda: fit_calibration(
                    problem.graph,
                    functions,
                    logits,
                    labels,
                    self._discretizer,
                    reading,
                    run.seeds.labels,
                )
            )
            stage.result = f"mean confidence {self.mean_confidence_:.3f}"

    def _numbered(
        self, discretizer: Discretizer, functions: Array, logits: Array, begun: RowFit
    ) -> Discretizer:
        """Discretiser with the numbers of the former clusters, if there are any."""
        former = begun.former
        self.alignment_, self.cluster_names_ = None, {}
        if former is None:
            return discretizer
        labels = discretizer.labels(functions, logits)
        order, alignment = former.followed_by(labels, discretizer.n_clusters)
        self.alignment_, self.cluster_names_ = alignment, former.names_of(alignment)
        begun.run.progress.report(f"former clusters: {alignment}")
        return renumbered(discretizer, order)

    def _task(self, problem: Problem, training: Training, run: Run) -> Task:
        by_head = self.assign_labels == "argmax"
        settings = self._settings(training, problem, run, by_head)
        asked = self._asked_n_clusters
        n_read = n_looked_at(self._most_clusters)
        if asked is not None:
            n_read = READ_PER_CLUSTER * asked
        return Task(
            n_clusters=asked,
            n_components=self.n_components,
            n_read=self.n_components or n_read,
            settings=settings,
            make_network=partial(self._make_network, settings),
            per_cluster=self._per_cluster,
            max_clusters=self._curve_end,
            by_head=by_head,
            hidden_centres=self.assign_labels == "kmeans_hidden",
        )
