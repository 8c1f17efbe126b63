"""What a file says without a model is what the model says."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest
from mutations import Mutator
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from neuraleig import load
from neuraleig.cli import main
from neuraleig.networks import HEADS
from neuraleig.persistence import ModelFileError, _schemas, describe
from neuraleig.persistence._backbones import PRODUCTS
from neuraleig.persistence._networks import TRUNKS
from neuraleig.persistence._pipelines import ALL, LAST_KINDS
from neuraleig.persistence._registry import ESTIMATORS
from neuraleig.persistence._transformers import KINDS
from neuraleig.reading import ClusterCurve


@pytest.fixture(scope="module")
def described(kept_files):
    """What is said of every file, and the model that is in it."""
    return [(describe(path), load(path, device="cpu")) for path in kept_files]


def as_attributes(value):
    return None if value is None else list(value)


def last_step(model):
    return model[-1] if isinstance(model, Pipeline) else model


def test_files_of_all_classes_are_described(described):
    for found, whole in described:
        model = last_step(whole)
        assert (found.steps is None) == (model is whole)
        assert found.class_name == type(model).__name__
        expected = {
            name: type(value).__name__ if isinstance(value, BaseEstimator) else value
            for name, value in model.get_params().items()
        }
        assert found.parameters == {**expected, "device": found.parameters["device"]}
        assert found.n_features == getattr(whole, "n_features_in_", None)
        names = getattr(whole, "feature_names_in_", None)
        assert found.feature_names == as_attributes(names)
        assert found.eigenvalues == model.eigenvalues_.tolist()
        assert found.graph_eigenvalues == model.graph_eigenvalues_.tolist()
        assert found.n_components == len(model.eigenvalues_)
        curve = getattr(model, "cluster_curve_", None)
        assert (found.curve is None) == (curve is None)
        if curve is not None:
            assert found.curve["strength"] == curve.strength.tolist()
        for name, value in found.fit.items():
            owner = model if hasattr(model, name) else model.clusterer_
            assert getattr(owner, name) == value
        assert "neuraleig" in found.versions
        json.dumps(asdict(found), allow_nan=False)


def test_clusters_are_those_of_the_model(described):
    for found, whole in described:
        model = last_step(whole)
        assert found.cluster_names == getattr(model, "cluster_names_", {})
        expected = getattr(model, "n_clusters_", None)
        if hasattr(model, "predict_proba") and expected is None:
            rows = np.zeros((1, model.n_features_in_))
            if hasattr(model, "feature_names_in_"):
                del model.feature_names_in_
            expected = model.predict_proba(rows).shape[1]
        assert found.n_clusters == expected


def test_files_that_are_no_models_are_refused(tmp_path):
    (tmp_path / "x").write_text("text")
    with pytest.raises(ModelFileError, match="no whole safetensors"):
        describe(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        describe(tmp_path / "y")


# Torch warns of transposing what is no matrix, as changed files ask it to.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", [0, 1])
def test_whatever_is_in_a_file_describing_it_ends(kept_files, tmp_path, capsys, seed):
    mutator = Mutator([Path(p) for p in kept_files], seed)
    path = tmp_path / "changed.safetensors"
    n_refused = 0
    for _ in range(150):
        path.write_bytes(mutator.file())
        try:
            json.dumps(asdict(describe(path)), allow_nan=False)
        except ModelFileError:
            n_refused += 1
            continue
        assert main(["info", str(path)]) == 0
        assert all(
            sign.isprintable() or sign == "\n" for sign in capsys.readouterr().out
        )
    assert 0 < n_refused < 150


def test_forms_name_what_the_classes_have():
    """Forms are read without the classes, and so repeat some of their names."""
    assert list(_schemas.CURVE) == [field.name for field in fields(ClusterCurve)]
    assert _schemas.HEADS == HEADS
    assert set(_schemas.TRUNKS) == {*TRUNKS, _schemas.OWN}
    assert set(_schemas.LAST) == set(LAST_KINDS)
    assert set(_schemas.PRODUCTS) == set(PRODUCTS)
    assert set(_schemas.FORMS) == set(ESTIMATORS)
    assert {_schemas.STEPS_INSIDE, _schemas.COLUMNS_INSIDE} == ALL.keys() - KINDS.keys()
