"""The ``neuraleig`` command, by typer."""
