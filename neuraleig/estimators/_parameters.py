"""Parameters of the row estimators: constraints, components, and checks."""

from __future__ import annotations

from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self, cast

from neuraleig._components import Component
from neuraleig._device import CPU, resolve_device
from neuraleig._random import seeded_torch
from neuraleig._sklearn import Interval, StrOptions, check_parameters
from neuraleig._validation import METRICS, check_hidden_sizes
from neuraleig.affinity import Affinity, make_affinity
from neuraleig.affinity._build import AFFINITIES
from neuraleig.estimators._evaluation import EigenfunctionTransformer
from neuraleig.networks import RowLinear, TokenAttention, make_network
from neuraleig.networks._build import refuse_module, refuse_narrow
from neuraleig.training import Training
from neuraleig.training._callbacks import check_callbacks
from neuraleig.training._precision import resolve_precision

# Most rows in the graph where max_graph_rows is left open: it fits into 6 GB, and is
# solved in some minutes of one core.
MAX_GRAPH_ROWS = 1_000_000
# Parameters of affinities by name, beside ``affinity``.
BESIDE_AFFINITY = ("n_neighbors", "metric", "gamma")


class RowParameters(EigenfunctionTransformer):
    """Base of the row estimators: their parameters, and what these stand for."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "affinity": [StrOptions(set(AFFINITIES)), callable, Affinity],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "metric": [StrOptions(set(METRICS)), None],
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
            return make_affinity(value, **self._beside_affinity())
        return value

    def _beside_affinity(self) -> dict[str, Any]:
        """Parameters of the affinity that were given beside it."""
        values = {name: getattr(self, name) for name in BESIDE_AFFINITY}
        return {name: value for name, value in values.items() if value is not None}

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
        for name in BESIDE_AFFINITY:
            if f"affinity__{name}" in params and name not in params:
                setattr(self, name, None)
        return self

    def _check_parameters(
        self, prefix: str = "", owner: str = ""
    ) -> tuple[Affinity, Training]:
        """Check parameters before any work, and return the components.

        Errors name parameters with the prefix, as those of the class ``owner``.
        """
        owner = owner or type(self).__name__
        check_parameters(self, prefix, owner)
        check_hidden_sizes(self.hidden_sizes, prefix)
        refuse_module(self.network, prefix)
        if isinstance(self.network, Component):
            self.network.check(f"{prefix}network", owner)
        check_callbacks(self.callbacks, prefix)
        training = self._component("training", self.training)
        training.check(f"{prefix}training", owner)
        device = resolve_device(self.device, f"{prefix}device")
        path = f"{prefix}training__precision"
        resolve_precision(training.precision, device, path)
        affinity = make_affinity(self._component("affinity", self.affinity))
        self._check_beside_affinity(affinity, prefix)
        affinity.check(f"{prefix}affinity", owner)
        if not affinity.samples_edges and training.sampling == "edges":
            raise ValueError(
                f"{prefix}training__sampling='edges' is not compatible with "
                f"{prefix}affinity={self.affinity!r}, which has no stored edges; use "
                "'nodes' or 'auto'."
            )
        if not affinity.samples_edges and training.walk_length > 1:
            raise ValueError(
                f"{prefix}training__walk_length={training.walk_length} needs stored "
                f"edges to walk along; it must be 1 with {prefix}affinity="
                f"{self.affinity!r}."
            )
        return affinity, training

    @property
    def _n_learned(self) -> int:
        """Eigenfunctions that the network learns, the constant one included."""
        raise NotImplementedError

    def _check_heads(self, n_features: int, prefix: str = "") -> None:
        """Refuse heads that do not go with the network, by a network to look at."""
        if self._component("training", self.training).head != "orthogonal":
            return
        with seeded_torch(0, CPU):
            made = make_network(
                self.network,
                n_features=n_features,
                n_functions=1,
                n_clusters=1,
                hidden_sizes=self.hidden_sizes,
            )
        n_hidden = cast(RowLinear, made.label_head).in_features
        n_outputs = max(self._n_learned - 1, getattr(self, "_most_clusters", 1))
        refuse_narrow(n_hidden, n_outputs, f"{prefix}training__head")

    def _check_beside_affinity(self, affinity: Affinity, prefix: str) -> None:
        """Refuse parameters that the affinity does not have, or contradicts."""
        held = affinity.get_params(deep=False)
        for name, value in self._beside_affinity().items():
            if name not in held:
                raise ValueError(
                    f"{prefix}{name}={value!r} is not used by {prefix}affinity="
                    f"{self.affinity!r}; leave it at None."
                )
            if held[name] != value:
                raise ValueError(
                    f"{prefix}{name}={value!r} contradicts {prefix}affinity="
                    f"{self.affinity!r}; set {prefix}affinity__{name} instead."
                )
