"""The number of clusters of images left open, and other numbers after one fit."""

import numpy as np
import pytest

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering, load, save
from neuraleig.networks import TokenAttention


def pictures():
    """Two textures side by side, another colour below one of them, and noise."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 40, (2, 48, 64, 3))
    images[:, :, 32:] += generator.integers(0, 2, (2, 48, 32, 1)) * 180
    images[:, 24:, :32, 0] += 120
    return list(images.astype(np.uint8))


def segmenter(n_clusters="auto", **params):
    return DenseSegmenter(
        n_clusters,
        **{"max_clusters": 5, "backbone": "color_texture", **params},
        random_state=0,
        device="cpu",
    )


NETWORKS = {
    "rows": NeuralEigenSpectralClustering(hidden_sizes=(16, 8)),
    "windows": NeuralEigenSpectralClustering(network=TokenAttention(16, 1, 2)),
}


@pytest.fixture(scope="module", params=NETWORKS)
def model(request):
    return segmenter(clusterer=NETWORKS[request.param]).fit(pictures())


def test_the_number_is_that_of_the_curve(model):
    assert model.n_clusters_ == model.cluster_curve_.best
    assert model.cluster_curve_ is model.clusterer_.cluster_curve_


def test_another_number_segments_and_leaves_names_behind(model, tmp_path):
    image = pictures()[0]
    model.name_clusters({0: "ground"})
    other = model.with_n_clusters(3)
    assert (other.n_clusters, other.n_clusters_, other.cluster_names_) == (3, 3, {})
    assert other.predict(image).max() == 2
    assert model.cluster_names_ == {0: "ground"}
    save(model, tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors", device="cpu").with_n_clusters(3)
    np.testing.assert_array_equal(loaded.predict(image), other.predict(image))
    assert loaded.modularity_ == other.modularity_


def test_the_number_in_use_is_as_good_as_before(model):
    same = model.with_n_clusters(model.clusterer_.n_clusters_)
    assert same.modularity_ == pytest.approx(model.modularity_)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_clusters": 9}, "n_clusters=9 is more than max_clusters=5"),
        ({"n_clusters": "many"}, "'n_clusters' parameter"),
        (
            {"clusterer": NeuralEigenSpectralClustering(max_clusters=3)},
            "clusterer__max_clusters=3 contradicts max_clusters=5",
        ),
    ],
)
def test_contradictions_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        segmenter(**params).fit(pictures())


def test_without_a_curve_the_way_out_is_named():
    fitted = segmenter(2, max_clusters=None).fit(pictures())
    with pytest.raises(ValueError, match="max_clusters=30"):
        fitted.with_n_clusters(3)
