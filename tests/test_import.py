"""Importing the package brings no more than it needs."""

import subprocess
import sys
from importlib import import_module

import new_process
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
    """What a statement prints in a process that has imported nothing else."""
    return new_process.run(["-c", statement], check=True).stdout.split()


def test_parts_that_are_slow_to_import_are_imported_when_they_are_used():
    # An interpreter of its own: others have torch already.
    code = "import sys, neuraleig; print(*sys.modules);"
    code += "neuraleig.NeuralEigenSpectralClustering; print('then', *sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    alone, _, with_estimators = said.stdout.partition("then")
    assert {"torch", "sklearn", "scipy", "numpy"}.isdisjoint(alone.split())
    assert "neuraleig.estimators" in with_estimators.split()
    assert LATE.isdisjoint(with_estimators.split())


@pytest.mark.parametrize("name", ["training", "affinity", "metrics", "estimators"])
def test_packages_are_attributes_after_an_import_of_the_library_alone(name):
    assert neuraleig.__getattr__(name) is import_module(f"neuraleig.{name}")


@pytest.mark.parametrize("name", ["segmentation", "onnx", "persistence"])
def test_a_package_that_is_imported_late_is_an_attribute(name):
    # As if it were not there yet.
    assert neuraleig.__getattr__(name).__name__ == f"neuraleig.{name}"
    assert getattr(neuraleig, name) is neuraleig.__getattr__(name)


def test_all_public_names_are_there():
    names = set(neuraleig.__all__)
    code = "import neuraleig; print(*dir(neuraleig)); from neuraleig import *;"
    said = in_new_process(code + "print('then', *dir())")
    before, after = said[: said.index("then")], said[said.index("then") :]
    assert names <= set(before)
    assert names - {"__version__"} <= set(after)


def test_wrong_name_is_said():
    with pytest.raises(AttributeError, match="no attribute 'DenseSegmentor'"):
        neuraleig.DenseSegmentor  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'DenseSegmentor'"):
        from neuraleig import DenseSegmentor  # noqa: F401
