"""Names of clusters of rows."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from neuraleig import NeuralEigenSpectralClustering, load, save
from neuraleig.plotting import ClusterSizesDisplay

X = np.repeat([0.0, 9.0], 20)[:, None] + np.linspace(0, 1, 40)[:, None]


@pytest.fixture
def model():
    model = NeuralEigenSpectralClustering(2, hidden_sizes=(8,), random_state=0)
    return model.fit(X)


def test_names_stay_until_they_are_changed(model):
    assert model.cluster_names_ == {}
    assert model.name_clusters({1: "gold", 0: "tin"}) is model
    model.name_clusters({np.int64(1): "silver"})
    assert model.cluster_names_ == {0: "tin", 1: "silver"}
    model.name_clusters({0: ""})
    assert model.cluster_names_ == {1: "silver"}


@pytest.mark.parametrize("cluster", [-1, 2, 1.5, "1", None])
def test_there_must_be_such_a_cluster(model, cluster):
    with pytest.raises(ValueError, match="there is no cluster"):
        model.name_clusters({0: "gold", cluster: "tin"})
    assert model.cluster_names_ == {}


def test_names_need_a_fit_and_end_with_it(model):
    with pytest.raises(NotFittedError):
        clone(model).name_clusters({0: "gold"})
    assert model.name_clusters({0: "gold"}).fit(X).cluster_names_ == {}


def test_names_are_saved(model, tmp_path):
    save(model, tmp_path / "plain")
    save(model.name_clusters({1: "größe, \n"}), tmp_path / "named")
    assert load(tmp_path / "plain").cluster_names_ == {}
    loaded = load(tmp_path / "named")
    assert loaded.cluster_names_ == {1: "größe, \n"}
    # Models without names are the files that they were.
    save(loaded.name_clusters({1: ""}), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "plain").read_bytes()


def test_names_are_in_plots(model):
    display = ClusterSizesDisplay.from_estimator(model.name_clusters({1: "gold"}))
    assert display.cluster_names == ["", "gold"]
