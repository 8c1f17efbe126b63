"""Importing the package brings no more than it needs."""

import subprocess
import sys

# Half of scikit-learn, which takes longer to import than this package, and what comes
# with extras. Not pandas and pyarrow: scipy imports them where they are.
LATE = {
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


def test_parts_that_are_slow_to_import_are_imported_when_they_are_used():
    code = "import sys, neuraleig; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "neuraleig.estimators" in done.stdout.split()
    assert LATE.isdisjoint(done.stdout.split())
