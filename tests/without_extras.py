"""A program that needs no extra; `.ci/run` starts it where only the wheel is installed.

Warnings are errors there.
"""

import pickle
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import neuraleig
from neuraleig.cli import main

OPTIONAL = ("PIL", "dask", "faiss", "matplotlib", "mlflow", "pandas", "timm", "typer")

present = [name for name in OPTIONAL if find_spec(name)]
assert not present, f"installed without an extra: {present}"

generator = np.random.default_rng(0)
X = np.concatenate([generator.normal(centre, 1.0, (40, 3)) for centre in (0, 9)])
model = neuraleig.NeuralEigenSpectralClustering(2, random_state=0).fit(X)
assert sorted(np.bincount(model.predict(X))) == [40, 40]
again = pickle.loads(pickle.dumps(model))
assert (again.predict_proba(X) == model.predict_proba(X)).all()
assert model.score(X) > 0
embedding = neuraleig.NeuralSpectralEmbedding(2, affinity="rbf", random_state=0)
assert embedding.fit_transform(X).shape == (80, 2)

image = np.zeros((64, 96, 3), dtype=np.uint8)
image[:, 48:] = generator.integers(0, 255, (64, 48, 3))
segmenter = neuraleig.DenseSegmenter(2, backbone="color_texture", random_state=0).fit(
    [image]
)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "model.safetensors")
    neuraleig.save(segmenter, path)
    loaded = neuraleig.load(path)
assert (loaded.predict(image) == segmenter.predict(image)).all()

# The command says what to install.
assert main(["--version"]) == 1
