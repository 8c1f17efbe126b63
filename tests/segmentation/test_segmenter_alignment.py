"""Refits of segmenters whose clusters have the numbers of a former one."""

import copy
from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from neuraleig import NeuralEigenSpectralClustering, load, save
from neuraleig.reading import AlignmentWarning
from neuraleig.reading._renumbered import renumbered

ORDER = np.array([3, 0, 4, 2, 1])
WINDOWED = {"window_size": 32, "clusterer__n_components": 4}


@pytest.fixture
def former(windowed):
    """Five clusters whose numbers no fit comes to by itself, with names."""
    reader = windowed.clusterer_._discretizer
    windowed.clusterer_._discretizer = renumbered(reader, ORDER)
    return windowed.name_clusters({0: "gold", 3: "tin"})


def same_pixels(one, other, images):
    pairs = zip(one.predict(images), other.predict(images), strict=True)
    return np.mean(np.concatenate([(a == b).ravel() for a, b in pairs]))


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans"])
def test_the_same_fit_in_the_numbers_of_a_former_one(
    make_segmenter, images, assign_labels
):
    params = {**WINDOWED, "clusterer__assign_labels": assign_labels}
    plain = make_segmenter(5, **params).fit(images)
    other = copy.deepcopy(plain)
    reader = plain.clusterer_._discretizer
    other.clusterer_._discretizer = renumbered(reader, ORDER)
    new = make_segmenter(5, **params).fit(images, align_to=other)
    assert new.alignment_.agreement == 1
    assert new.alignment_.former == (0, 1, 2, 3, 4)
    # Scores are blended as they were: labels are the same to the pixel.
    for image in images:
        np.testing.assert_array_equal(ORDER[new.predict(image)], plain.predict(image))
    np.testing.assert_array_equal(
        ORDER[new.clusterer_.labels_], plain.clusterer_.labels_
    )
    assert new.modularity_ == pytest.approx(plain.modularity_)


@pytest.mark.filterwarnings("ignore::neuraleig.reading.AlignmentWarning")
def test_names_and_files(make_segmenter, images, former, tmp_path):
    save(former, tmp_path / "old")
    by_file = make_segmenter(5, random_state=1, **WINDOWED)
    by_file.fit(images, align_to=tmp_path / "old")
    new = make_segmenter(5, random_state=1, **WINDOWED).fit(images, align_to=former)
    assert new.alignment_ == by_file.alignment_
    kept = {
        c: n for c, n in former.cluster_names_.items() if c not in new.alignment_.new
    }
    assert new.cluster_names_ == by_file.cluster_names_ == kept
    assert new.clusterer_.cluster_names_ == {}
    save(new, tmp_path / "new")
    loaded = load(tmp_path / "new", device="cpu")
    assert loaded.cluster_names_ == kept
    assert same_pixels(loaded, new, images) == 1


def test_unions_of_a_former_segmenter_are_single_clusters(
    make_segmenter, images, former
):
    before = np.concatenate([labels.ravel() for labels in former.predict(images)])
    former.merge_clusters([(1, 2)])
    assert former.cluster_names_ == {0: "gold", 2: "tin"}
    with pytest.warns(AlignmentWarning, match="new clusters: "):
        new = make_segmenter(5, **WINDOWED).fit(images, align_to=former)
    same = [c for c, number in enumerate(new.alignment_.former) if number is not None]
    assert {0, 2, 3} <= set(same)
    labels = np.concatenate([labels.ravel() for labels in new.predict(images)])
    assert np.mean(labels[before == 0] == 0) > 0.99
    assert np.mean(labels[before == 4] == 3) > 0.99
    assert new.cluster_names_ == {0: "gold", 2: "tin"}


def test_a_union_without_a_large_member_loses_its_name(make_segmenter, images, former):
    labels = [labels.ravel() for labels in former.predict(images)]
    sizes = np.bincount(np.concatenate(labels), minlength=5)
    members = max(
        combinations(range(5), 3), key=lambda c: sizes[[*c]].sum() / sizes[[*c]].max()
    )
    assert sizes[[*members]].max() < 0.45 * sizes[[*members]].sum()
    former.merge_clusters([members])
    union = members[0]
    former.name_clusters({union: "union"})
    message = rf"lost clusters: {union} \(union\)"
    with pytest.warns(AlignmentWarning, match=message):
        new = make_segmenter(5, **WINDOWED).fit(images, align_to=former)
    assert new.alignment_.lost == (union,)
    assert len(new.alignment_.new) == 3
    assert "union" not in new.cluster_names_.values()


def test_more_clusters_than_before(make_segmenter, images, shared):
    with pytest.warns(AlignmentWarning) as caught:
        new = make_segmenter(4).fit(images, align_to=shared)
    assert caught[0].filename == __file__
    assert new.n_clusters_ == 4
    assert max(labels.max() for labels in new.predict(images)) == 3
    with pytest.warns(AlignmentWarning, match="lost clusters"):
        fewer = make_segmenter(2).fit(images, align_to=new)
    assert fewer.n_clusters_ == 2


def test_warnings_as_errors_leave_the_segmenter_as_it_was(
    make_segmenter, images, shared, tmp_path
):
    model = make_segmenter(2, checkpoint=tmp_path / "fit").fit(images)
    before = vars(model).copy()
    model.set_params(n_clusters=4)
    with pytest.raises(AlignmentWarning):
        model.fit(images, align_to=shared)
    assert vars(model) == {**before, "n_clusters": 4}
    # A refit goes on from what is kept.
    kept = {path.name for path in (tmp_path / "fit" / "clusterer").iterdir()}
    assert len(kept) > 1
    with pytest.warns(AlignmentWarning):
        model.fit(images, align_to=shared)
    assert list((tmp_path / "fit").rglob("*.safetensors")) == []


def test_windows_are_labelled_whole(make_segmenter, images, shared_attention):
    new = make_segmenter(
        3,
        window_size=32,
        clusterer=shared_attention.clusterer,
    ).fit(images, align_to=shared_attention)
    assert new.alignment_.agreement == 1


def test_fit_predict_and_other_numbers(make_segmenter, images, shared):
    params = {"max_clusters": 4}
    labels = make_segmenter(**params).fit_predict(images, align_to=shared)
    for found, expected in zip(labels, shared.predict(images), strict=True):
        assert np.mean(found == expected) > 0.99
    # The same model in other numbers.
    other = copy.deepcopy(shared)
    other._groups = np.array([1, 0])
    new = make_segmenter(**params).fit(images, align_to=other)
    assert new.alignment_.agreement > 0.99
    assert same_pixels(new, other, images) > 0.99
    assert new.with_n_clusters(3).alignment_ is None


def test_what_is_no_former_segmenter_is_refused(
    make_segmenter, images, shared, tmp_path
):
    model = make_segmenter(2, checkpoint=tmp_path / "fit")
    path = tmp_path / "m"
    save(shared.clusterer_, path)
    unfitted = make_segmenter(2)
    for align_to, message in (
        (shared.clusterer_, "is of type NeuralEigen.*pass a fitted DenseSegmenter"),
        (path, r"align_to='.*m' cannot be loaded: it holds a NeuralEigenSpectral"),
        ("nowhere", "align_to='nowhere' cannot be loaded"),
    ):
        with pytest.raises(ValueError, match=f"(?s){message}"):
            model.fit(images, align_to=align_to)
    with pytest.raises(NotFittedError, match=r"(?s)align_to=.*is not fitted"):
        model.fit(images, align_to=unfitted)
    assert not hasattr(model, "clusterer_")
    assert list((tmp_path / "fit").iterdir()) == []


def test_another_backbone_is_refused(make_segmenter, images, shared, tmp_path):
    def means(pixels):
        return torch.nn.functional.avg_pool2d(pixels, 8)

    save(shared, tmp_path / "m")
    model = make_segmenter(2).set_params(backbone=means)
    message = "was fitted with backbone color_texture.*, and this fit has callable/"
    with pytest.raises(ValueError, match=f"(?s)align_to=.*{message}"):
        model.fit(images, align_to=shared)
    with pytest.raises(
        ValueError, match=r"align_to='.*m' cannot be loaded: .*backbone"
    ):
        model.fit(images, align_to=tmp_path / "m")
    # Of the same one a file needs no other.
    own = make_segmenter(2).set_params(backbone=means).fit(images)
    save(own, tmp_path / "own")
    assert model.fit(images, align_to=tmp_path / "own").alignment_.agreement == 1


def test_rows_do_not_follow_images(shared):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(ValueError, match="is of type DenseSegmenter"):
        NeuralEigenSpectralClustering(2).fit(rows, align_to=shared)
