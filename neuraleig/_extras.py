"""What to install where a package of an extra is missing."""

from __future__ import annotations

PACKAGES = {
    "cli": "typer pyarrow tqdm",
    "faiss": "faiss-cpu",
    "mlflow": "mlflow-skinny",
    "onnx": "onnx onnxscript",
    "plot": "matplotlib jinja2",
    "tensorboard": "tensorboard",
    "vision": "timm torchvision pillow tqdm",
}
"""Names for pip of the packages of every extra."""


def missing(caller: str, package: str, extra: str, *, otherwise: str = "") -> str:
    """Message of an ``ImportError``.

    The packages are named rather than this one with its extra: that works wherever
    this one came from.

    Parameters
    ----------
    caller : str
        What needs the package.
    package : str
        What could not be imported.
    extra : str
        The extra that has it.
    otherwise : str, default=""
        Another way out.

    Returns
    -------
    message : str
        One line.
    """
    way_out = f", or {otherwise}" if otherwise else ""
    return (
        f"{caller} needs {package}, which cannot be imported: "
        f"pip install {PACKAGES[extra]} (extra {extra!r}){way_out}"
    )
