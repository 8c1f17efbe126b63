"""Size, pictures and confidence of clusters, and the warnings about them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from segmentation.test_scenes import fitted, pictures_of_things
from sklearn.exceptions import ConvergenceWarning

from neuraleig import NeuralEigenSpectralClustering, load, save
from neuraleig.affinity import GraphWarning, NeighborAffinity, TokenAffinity
from neuraleig.segmentation import ClusterWarning
from neuraleig.segmentation._cluster_table import (
    FEWEST_PICTURES,
    Occurrences,
    summed_probabilities,
    warn_of_clusters,
)

COLUMNS = ["cluster", "share", "n_pictures", "largest_picture_share", "confidence"]
PICTURES_ONLY = {"clusterer__affinity": NeighborAffinity(40, across_groups=False)}


def drawn(n_tokens=400, n_pictures=9, n_clusters=5, seed=0):
    """Probabilities of tokens, and their pictures, of which some are not in use."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(n_clusters, 0.4), n_tokens)
    return probabilities, 3 * generator.integers(0, n_pictures, n_tokens) + 2


class TestTable:
    @pytest.mark.parametrize("groups", [[0, 1, 2, 3, 4], [0, 1, 0, 2, 1], [0] * 5])
    def test_it_is_what_counting_tokens_gives(self, groups):
        probabilities, pictures = drawn()
        labels, groups = probabilities.argmax(axis=1), np.array(groups)
        sums = summed_probabilities(probabilities)
        table = Occurrences.of(labels, pictures, sums).table(groups)
        united = groups[labels]
        of_unions = np.stack(
            [probabilities[:, groups == g].sum(axis=1) for g in range(max(groups) + 1)],
            axis=1,
        )
        assert list(table) == COLUMNS
        frame = pd.DataFrame(table)
        assert frame.cluster.tolist() == sorted(set(groups))
        for g, row in frame.iterrows():
            own = united == g
            _, counts = np.unique(pictures[own], return_counts=True)
            assert row.share == pytest.approx(own.mean())
            assert row.n_pictures == len(counts)
            assert row.largest_picture_share == pytest.approx(counts.max() / own.sum())
            assert row.confidence == pytest.approx(of_unions[own, g].mean())

    def test_what_is_not_known_is_nan(self):
        labels = np.array([0, 0, 2, 2])
        table = Occurrences.of(labels, np.array([0, 1, 1, 1])).table(np.arange(3))
        assert np.isnan(table["confidence"]).all()
        np.testing.assert_array_equal(table["share"], [0.5, 0, 0.5])
        np.testing.assert_array_equal(table["n_pictures"], [2, 0, 1])
        np.testing.assert_array_equal(table["largest_picture_share"], [0.5, np.nan, 1])
        sums = summed_probabilities(np.array([[0.7, 0.1, 0.2], [0.3, 0.1, 0.6]]))
        table = Occurrences.of(labels, np.zeros(4, int), sums).table(np.arange(3))
        np.testing.assert_array_equal(table["confidence"], [0.7, np.nan, 0.6])


def occurrences(n_pictures, n_bound, n_clusters, n_bound_tokens=90):
    """Clusters of 100 tokens in all pictures, but for some that are bound to one."""
    counts = np.zeros((n_pictures, n_clusters), dtype=np.int64)
    for cluster in range(n_clusters):
        most = n_bound_tokens if cluster < n_bound else 100 // n_pictures
        rest = 100 - most
        counts[:, cluster] = rest // (n_pictures - 1)
        counts[cluster % n_pictures, cluster] = most
        counts[(cluster + 1) % n_pictures, cluster] += rest % (n_pictures - 1)
    assert (counts.sum(axis=0) == 100).all()
    return Occurrences(counts)


def messages(known, across="across"):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_clusters(known, across)
    assert all(one.category is ClusterWarning for one in caught)
    return [str(one.message) for one in caught]


class TestWarnings:
    @pytest.mark.parametrize(
        ("case", "expected"),
        [
            ((8, 3, 10), True),
            # A fifth is not more than a fifth.
            ((8, 2, 10), False),
            ((8, 2, 9), True),
            # Two at least.
            ((8, 1, 3), False),
            ((8, 2, 3), True),
            # Seven pictures are too few.
            ((FEWEST_PICTURES - 1, 3, 10), False),
            ((FEWEST_PICTURES, 3, 10, 89), False),
        ],
    )
    def test_clusters_of_one_picture(self, case, expected):
        found = messages(occurrences(*case))
        assert len(found) == expected
        if expected:
            assert found[0].startswith(f"{case[1]} of {case[2]} clusters have nine")
            assert f"one of {case[0]} pictures" in found[0]

    def test_the_way_out_is_a_parameter_that_is_off(self):
        known = occurrences(8, 3, 10)
        assert "Set a__b=True to search neighbours across" in messages(known, "a__b")[0]
        assert "Pass more pictures, or lower n_clusters" in messages(known, None)[0]

    @pytest.mark.parametrize(
        ("sizes", "expected"),
        [
            ([61, 20, 19], True),
            ([60, 20, 20], False),
            ([19, 20, 61], True),
            # Of two clusters one has half at least.
            ([90, 10], False),
            ([100], False),
        ],
    )
    @pytest.mark.parametrize("n_pictures", [1, 20])
    def test_one_cluster_of_most_tokens(self, sizes, n_pictures, expected):
        counts = np.tile(np.array(sizes), (n_pictures, 1))
        found = messages(Occurrences(counts))
        assert len(found) == expected
        if expected:
            largest = int(np.argmax(sizes))
            assert f"Cluster {largest} has 61.0 % of the tokens." in found[0]


@pytest.fixture(scope="module")
def images():
    return pictures_of_things(12)[0]


def warned(images, **changes):
    """Model, and its warnings of clusters."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore", GraphWarning)
        # Of one of twelve clusters that may be left without tokens.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("always", ClusterWarning)
        model = fitted(images, **changes)
    assert all(one.category is ClusterWarning for one in caught)
    return model, [str(one.message) for one in caught]


class TestSegmenter:
    def test_clusters_that_are_pictures_are_told_of(self, images):
        _, found = warned(images, n_clusters=12, **PICTURES_ONLY)
        assert len(found) == 1
        assert "Set clusterer__affinity__across_groups=True" in found[0]
        # With what it says.
        model, found = warned(
            images,
            n_clusters=12,
            **PICTURES_ONLY,
            clusterer__affinity__across_groups=True,
        )
        assert all("Set clusterer__affinity" not in text for text in found)
        table = model.cluster_table_
        # A small cluster may still be of one picture.
        assert np.mean(table["largest_picture_share"] < 0.9) > 0.8

    def test_the_parameter_of_a_token_affinity_is_named(self, images):
        affinity = TokenAffinity(NeighborAffinity(40, across_groups=False))
        clusterer = NeuralEigenSpectralClustering(affinity=affinity)
        model, found = warned(images, n_clusters=12, clusterer=clusterer)
        assert "clusterer__affinity__affinity__across_groups=True" in found[0]
        model.set_params(clusterer__affinity__affinity__across_groups=True)

    def test_other_kernels_have_another_way_out(self, images):
        _, found = warned(images, n_clusters=12, clusterer__affinity="rbf")
        assert all("across_groups" not in text for text in found)

    def test_the_table_is_of_the_tokens_of_the_fit(self, images):
        model = fitted(images, clusterer__n_neighbors=40)
        table = pd.DataFrame(model.cluster_table_)
        rows, labels = model.clusterer_, model.clusterer_.labels_
        np.testing.assert_allclose(table.share, rows.cluster_shares_)
        np.testing.assert_allclose(table.share, np.bincount(labels) / len(labels))
        # All tokens of a picture are in the sample: 64 of each.
        counts = [np.bincount(part, minlength=3) for part in labels.reshape(12, 64)]
        assert table.n_pictures.tolist() == np.count_nonzero(counts, axis=0).tolist()
        mean = (table.share * table.confidence).sum()
        assert mean == pytest.approx(rows.mean_confidence_)

    def test_unions_are_counted_together(self, images):
        model, _ = warned(images, n_clusters=6, **PICTURES_ONLY)
        before = model.cluster_table_
        model.merge_clusters([(1, 4)])
        after = model.cluster_table_
        assert after["share"][1] == pytest.approx(before["share"][[1, 4]].sum())
        assert after["n_pictures"][1] <= before["n_pictures"][[1, 4]].sum()
        assert after["confidence"][1] >= before["confidence"][[1, 4]].min()
        for name in COLUMNS[1:]:
            np.testing.assert_allclose(
                np.delete(after[name], 1), np.delete(before[name], [1, 4])
            )

    def test_another_number_is_counted_anew_while_labels_are_known(
        self, images, tmp_path
    ):
        model = fitted(images, clusterer__n_neighbors=40, max_clusters=5)
        other = model.with_n_clusters(2)
        np.testing.assert_allclose(
            other.cluster_table_["share"],
            np.bincount(other.clusterer_.labels_) / len(other.clusterer_.labels_),
        )
        assert np.isnan(other.cluster_table_["confidence"]).all()
        same = model.with_n_clusters(3).cluster_table_
        for table in (same, load_again(model, tmp_path).cluster_table_):
            for name in COLUMNS:
                np.testing.assert_array_equal(
                    table[name], model.cluster_table_[name], strict=True
                )
        loaded = load_again(model, tmp_path)
        assert loaded.with_n_clusters(2).cluster_table_ is None
        again = load_again(loaded.with_n_clusters(2), tmp_path)
        assert again.cluster_table_ is None


def load_again(model, folder):
    save(model, folder / "m.safetensors")
    # The affinity is by features of an object.
    return load(folder / "m.safetensors", backbone=model.backbone, device="cpu")
