"""Importing the package brings no more than it needs."""

import subprocess
import sys

import pytest

import neuraleig

# What rows do not need, half of scikit-learn, which takes longer to import than this
# package, and what comes with extras. Not pandas and pyarrow: scipy imports them where
# they are.
LATE = {
    "neuraleig.onnx",
    "neuraleig.persistence",
    "neuraleig.segmentation",
    "sklearn.cluster",
    "sklearn.metrics",
    "sklearn.neighbors",
    "timm",
    "torchvision",
    "PIL",
    "matplotlib",
    "onnx",
    "onnxscript",
    "faiss",
    "jinja2",
    "dask",
}


def in_new_process(statement):
    """What a statement prints in a process that has imported nothing."""
    return subprocess.run(
        [sys.executable, "-c", statement], capture_output=True, text=True, check=True
    ).stdout.split()


def test_parts_that_are_slow_to_import_are_imported_when_they_are_used():
    code = "import sys, neuraleig; print('\\n'.join(sys.modules))"
    imported = in_new_process(code)
    assert "neuraleig.estimators" in imported
    assert LATE.isdisjoint(imported)


@pytest.mark.parametrize("name", ["segmentation", "onnx", "persistence"])
def test_a_package_that_is_imported_late_is_an_attribute(name):
    code = f"import neuraleig; print(neuraleig.{name}.__name__)"
    assert in_new_process(code) == [f"neuraleig.{name}"]


def test_all_public_names_are_there():
    code = "from neuraleig import *; print(*sorted(dir()))"
    public = {name for name in neuraleig.__all__ if name != "__version__"}
    assert public <= set(in_new_process(code))
    code = "import neuraleig; print(*dir(neuraleig))"
    assert set(neuraleig.__all__) <= set(in_new_process(code))


def test_wrong_name_is_said():
    with pytest.raises(AttributeError, match="no attribute 'DenseSegmentor'"):
        neuraleig.DenseSegmentor  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'DenseSegmentor'"):
        from neuraleig import DenseSegmentor  # noqa: F401
