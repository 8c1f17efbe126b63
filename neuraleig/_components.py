"""Parameters that are objects with parameters of their own."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator

from neuraleig._sklearn import check_parameters


class ComposedEstimator(BaseEstimator):
    """Estimator whose parts may be left to a default or a name.

    ``set_params`` reaches the parameters of a part all the same: the part is made
    first, as ``fit`` would make it.
    """

    def _component(self, name: str, value: object) -> object:
        """Part that a value of a parameter stands for; the value itself if none."""
        return value

    def set_params(self, **params: Any) -> Self:  # noqa: ANN401
        """Set parameters, those of parts as ``<part>__<parameter>``.

        Parameters
        ----------
        **params
            Parameters by name. A part that is ``None`` or a name is made first.

        Returns
        -------
        self : estimator
            With these parameters.
        """
        own = {name: value for name, value in params.items() if "__" not in name}
        nested = {name: value for name, value in params.items() if "__" in name}
        held: dict[str, Any] = self.__dict__
        before = dict(held)
        try:
            # Plain parameters first: parts are made from them.
            super().set_params(**own)
            for name in dict.fromkeys(name.partition("__")[0] for name in nested):
                if name in self.get_params(deep=False):
                    setattr(self, name, self._part(name))
            super().set_params(**nested)
        except BaseException:
            held.clear()
            held.update(before)
            raise
        return self

    def _part(self, name: str) -> object:
        """Part of a name, made if it was left to a default."""
        part = self._component(name, getattr(self, name))
        if not hasattr(part, "set_params"):
            raise ValueError(
                f"{name}={part!r} has no parameters of its own to set; pass an object "
                "that has."
            )
        return part


class Component(ComposedEstimator):
    """Part of an estimator, with ``get_params``, ``set_params`` and ``clone``.

    ``__init__`` only assigns. The estimator that has the part calls :meth:`check`
    before any work, and works with a clone of it.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def check(self, path: str, owner: str) -> None:
        """Check the parameters.

        Parameters
        ----------
        path : str
            Name of the parameter of the estimator that holds this part.
        owner : str
            Class of the estimator.

        Raises
        ------
        ValueError
            If a value is invalid, by its path, such as ``training__lr``.
        """
        check_parameters(self, f"{path}__", owner)
