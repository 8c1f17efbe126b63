"""The ``neuraleig`` command."""

from neuraleig.cli._main import main

__all__ = ["main"]
