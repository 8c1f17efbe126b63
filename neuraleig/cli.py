"""The ``neuraleig`` command."""

from neuraleig._cli._main import main

__all__ = ["main"]
