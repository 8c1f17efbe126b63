"""Fitted estimators in files: safetensors and JSON, never pickle."""

from typing import TYPE_CHECKING

from neuraleig.persistence._description import ModelDescription, describe
from neuraleig.persistence._plain_file import ModelFileError

__all__ = ["ModelDescription", "ModelFileError", "describe", "load", "save"]

# Descriptions need no torch.
if TYPE_CHECKING:
    from neuraleig.persistence._registry import load, save
else:

    def __getattr__(name: str) -> object:
        """``load`` or ``save``, which are imported when they are first used."""
        if name not in ("load", "save"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from neuraleig.persistence import _registry

        globals().update(load=_registry.load, save=_registry.save)
        return globals()[name]

    def __dir__() -> list[str]:
        """Names of the package, imported or not yet."""
        return sorted({*globals(), *__all__})
