"""Training in MLflow."""

from __future__ import annotations

from typing import Any

from neuraleig._extras import missing
from neuraleig.training._callbacks import TrainingState
from neuraleig.training._metrics import MetricLogger


class MLflowLogger(MetricLogger):
    """Callback that logs losses and scores to an MLflow run.

    It has a client of its own: no run of yours is entered or ended.

    Parameters
    ----------
    tracking_uri : str or None, default=None
        Where runs are kept. ``None``: what MLflow is set to.
    experiment_name : str, default="neuraleig"
        Experiment of the runs; made if there is none.
    run_id : str or None, default=None
        Run to log to. ``None``: a new one for every fit.
    every : int, default=10
        Steps between two losses that are logged.

    Attributes
    ----------
    run_id_ : str
        Run that the latest training was logged to.

    Raises
    ------
    ImportError
        When training begins, if mlflow is not installed.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        experiment_name: str = "neuraleig",
        run_id: str | None = None,
        every: int = 10,
    ) -> None:
        super().__init__(every)
        self.tracking_uri = tracking_uri
        self.experiment_name = experiment_name
        self.run_id = run_id
        self._client: Any = None
        # The fit that is going on, and the one that the run belongs to.
        self._fit_id: str | None = None
        self._run_fit_id: str | None = None

    def on_fit_begin(self, fit_id: str) -> None:
        """Remember which fit the trainings to come belong to."""
        self._fit_id = fit_id

    def on_train_begin(self, state: TrainingState) -> None:
        """Begin a run; all trainings of a fit go to the same."""
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise ImportError(missing("MLflowLogger", "mlflow", "mlflow")) from error
        client = MlflowClient(self.tracking_uri)
        if self.run_id is not None:
            self.run_id_ = self.run_id
        elif self._fit_id is None or self._fit_id != self._run_fit_id:
            self.run_id_ = self._new_run(client)
            self._run_fit_id = self._fit_id
        self._client = client
        super().on_train_begin(state)

    def on_train_end(self, state: TrainingState) -> None:
        """Let go of the client: what is left can be copied and pickled."""
        if self._client is not None and self.run_id is None:
            self._client.set_terminated(self.run_id_)
        self._client = None

    def _new_run(self, client: Any) -> str:  # noqa: ANN401
        experiment = client.get_experiment_by_name(self.experiment_name)
        if experiment is None:
            experiment_id = client.create_experiment(self.experiment_name)
        else:
            experiment_id = experiment.experiment_id
        run_id: str = client.create_run(experiment_id).info.run_id
        return run_id

    def _log(self, name: str, value: float, step: int) -> None:
        self._client.log_metric(self.run_id_, name, value, step=step)
