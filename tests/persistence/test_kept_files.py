"""Files of earlier versions load, and say what they said."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors

import neuraleig
from neuraleig import load
from neuraleig.persistence._model_file import SCHEMA
from neuraleig.persistence._registry import FORMATS

KEPT = Path(__file__).parents[1] / "fixtures" / "models"
FILES = sorted(KEPT.glob("*/*.safetensors"))


def test_every_schema_and_class_is_kept():
    schemas = {path.parent.name for path in FILES}
    assert schemas == {f"schema-{n}" for n in range(1, SCHEMA + 1)}
    for schema in schemas:
        held = {
            header_of(path)["class"] for path in FILES if path.parent.name == schema
        }
        assert held == set(FORMATS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_kept_file_says_what_it_said(path):
    assert path.stat().st_size < 50_000
    model = load(path, device="cpu")
    expected = np.load(path.with_suffix(".npz"))
    asked = expected["asked"]
    if hasattr(model, "feature_names_in_"):
        pandas = pytest.importorskip("pandas")
        asked = pandas.DataFrame(asked, columns=model.feature_names_in_)
    for name in set(expected.files) - {"asked"}:
        found = getattr(model, name)(asked)
        if isinstance(model, neuraleig.DenseSegmenter) and name == "predict_proba":
            (found,) = found
        if name == "predict":
            np.testing.assert_array_equal(found, expected[name])
        else:
            # Other versions of torch round differently.
            np.testing.assert_allclose(np.asarray(found), expected[name], atol=1e-4)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_other_readers_of_safetensors_read_them(path):
    header = header_of(path)
    assert header["format"] == "neuraleig model"
    assert json.loads(header["versions"])["neuraleig"]
    assert json.loads(header["content"])["parameters"]["random_state"] == 0
    with safetensors.safe_open(path, framework="np") as file:
        assert all(np.isfinite(file.get_tensor(name)).all() for name in file.keys())


def header_of(path):
    with safetensors.safe_open(path, framework="np") as file:
        return file.metadata()
