"""Files of this schema load, and say what they said; former ones are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors

import neuraleig
from neuraleig import load
from neuraleig.persistence import ModelFileError, describe
from neuraleig.persistence._plain_file import SCHEMA
from neuraleig.persistence._registry import CLASSES

KEPT = Path(__file__).parents[1] / "fixtures" / "models"
FILES = sorted(KEPT.glob(f"schema-{SCHEMA}/*.safetensors"))


def test_every_class_is_kept():
    assert {metadata_of(path)["class"] for path in FILES} == set(CLASSES)


@pytest.mark.parametrize("read", [load, describe])
def test_files_of_a_former_schema_are_refused(read):
    (path,) = KEPT.glob("schema-1/*.safetensors")
    message = rf"has schema 1, .* reads schema {SCHEMA}; load it with the version.*0\.1"
    with pytest.raises(ModelFileError, match=message):
        read(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_kept_file_says_what_it_said(path):
    assert path.stat().st_size < 50_000
    model = load(path, device="cpu")
    expected = np.load(path.with_suffix(".npz"))
    asked = expected["asked"]
    if hasattr(model, "feature_names_in_"):
        pandas = pytest.importorskip("pandas")
        asked = pandas.DataFrame(asked, columns=model.feature_names_in_)
    assert set(expected.files) > {"asked"}
    # Features of images are rounded to half precision since.
    is_of_images = isinstance(model, neuraleig.DenseSegmenter)
    tolerance = 1e-2 if is_of_images else 1e-4
    for name in set(expected.files) - {"asked"}:
        found = getattr(model, name)(asked)
        if is_of_images and name == "predict_proba":
            (found,) = found
        if name == "predict":
            np.testing.assert_array_equal(found, expected[name])
        else:
            # Other versions of torch round differently.
            np.testing.assert_allclose(
                np.asarray(found), expected[name], atol=tolerance
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_other_readers_of_safetensors_read_them(path):
    with safetensors.safe_open(path, framework="np") as file:
        content = json.loads(file.metadata()["neuraleig"])
        assert all(np.isfinite(file.get_tensor(name)).all() for name in file.keys())
    assert content["metadata"]["format"] == "neuraleig model"
    assert content["metadata"]["versions"]["neuraleig"]
    tree = content["tree"]
    assert tree.get("estimator", tree)["parameters"]["random_state"] == 0


def metadata_of(path):
    with safetensors.safe_open(path, framework="np") as file:
        return json.loads(file.metadata()["neuraleig"])["metadata"]
