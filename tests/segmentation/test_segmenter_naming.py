"""Names, unions and scores of clusters."""

import copy

import numpy as np
import pytest


class TestNames:
    def test_names_stay_until_they_are_changed(self, windowed):
        assert windowed.name_clusters({2: "stripes", 0: "wall"}) is windowed
        windowed.name_clusters({np.int64(1): "door", 0: "roof"})
        assert windowed.cluster_names_ == {0: "roof", 1: "door", 2: "stripes"}
        assert list(windowed.cluster_names_) == [0, 1, 2]
        windowed.name_clusters({1: ""})
        assert windowed.cluster_names_ == {0: "roof", 2: "stripes"}

    @pytest.mark.parametrize("cluster", [-1, 5, 1.5, "1", None])
    def test_there_must_be_such_a_cluster(self, windowed, cluster):
        with pytest.raises(ValueError, match="there is no cluster"):
            windowed.name_clusters({0: "wall", cluster: "door"})
        # All or nothing.
        assert windowed.cluster_names_ == {}

    def test_names_are_text(self, windowed):
        with pytest.raises(ValueError, match="3 for cluster 0"):
            windowed.name_clusters({0: 3})


class TestMerging:
    def test_probabilities_of_a_union_are_sums(self, windowed, images):
        before = [np.asarray(lazy) for lazy in windowed.predict_proba(images)]
        windowed.merge_clusters([(3, 1)])
        assert windowed.n_clusters_ == 4
        for old, lazy in zip(before, windowed.predict_proba(images), strict=True):
            # At the tokens they are; between them scores are interpolated, not
            # probabilities.
            new = np.asarray(lazy)
            expected = old[..., [0, 1, 2, 4]]
            expected[..., 1] += old[..., 3]
            assert (np.abs(new - expected) < 0.1).mean() > 0.99
            np.testing.assert_allclose(new.sum(axis=2), 1, atol=1e-5)

    def test_labels_of_others_stay_apart(self, windowed, images):
        before = windowed.predict(images)
        windowed.merge_clusters([(0, 2)])
        kept = np.array([0, 1, 0, 2, 3])
        for old, new in zip(before, windowed.predict(images), strict=True):
            # A union may win where its members were second and third.
            changed = kept[old] != new
            assert (new[changed] == 0).all()
            assert changed.mean() < 0.2

    def test_unions_of_unions(self, windowed, images):
        windowed.merge_clusters([(0, 1)]).merge_clusters([(0, 3)])
        assert windowed.n_clusters_ == 3
        np.testing.assert_array_equal(windowed._groups, [0, 0, 1, 2, 0])
        assert max(labels.max() for labels in windowed.predict(images)) <= 2

    def test_all_at_once_is_one_after_the_other(self, windowed, images):
        other = copy.deepcopy(windowed)
        windowed.merge_clusters([(0, 4), (1, 3)])
        other.merge_clusters([(4, 0)]).merge_clusters([(3, 1)])
        np.testing.assert_array_equal(windowed._groups, other._groups)
        for one, two in zip(
            windowed.predict(images), other.predict(images), strict=True
        ):
            np.testing.assert_array_equal(one, two)

    def test_a_union_has_the_first_name(self, windowed):
        windowed.name_clusters({1: "lane", 2: "wall", 4: "road"})
        windowed.merge_clusters([(4, 0), (1, 3)])
        assert windowed.cluster_names_ == {0: "road", 1: "lane", 2: "wall"}

    def test_everything_in_one(self, windowed, images):
        windowed.merge_clusters([range(5)])
        assert windowed.n_clusters_ == 1
        assert all((labels == 0).all() for labels in windowed.predict(images))
        assert windowed.score(images) == pytest.approx(0, abs=1e-6)

    def test_no_groups_change_nothing(self, windowed):
        windowed.name_clusters({3: "wall"}).merge_clusters([(), (2,)])
        assert windowed.n_clusters_ == 5
        assert windowed.cluster_names_ == {3: "wall"}

    @pytest.mark.parametrize("groups", [[(0, 1), (1, 2)], [(2, 2)]])
    def test_no_cluster_twice(self, windowed, groups):
        with pytest.raises(ValueError, match="groups has a cluster twice"):
            windowed.merge_clusters(groups)
        assert windowed.n_clusters_ == 5

    def test_there_must_be_such_clusters(self, windowed):
        with pytest.raises(ValueError, match="there is no cluster 5"):
            windowed.merge_clusters([(0, 1), (2, 5)])
        assert windowed.n_clusters_ == 5


class TestScores:
    def test_match_and_evaluate(self, shared, images, masks, new_images, new_masks):
        matching = shared.match(images, masks)
        assert sorted(matching.classes) == [0, 1]
        scores = shared.evaluate(
            new_images, new_masks, matching, class_names=("plain", "stripes")
        )
        assert scores.mean_iou > 0.75
        assert "stripes" in scores.table()
        # What is predicted, turned into classes.
        right = [
            matching.apply(shared.predict(image)) == mask
            for image, mask in zip(new_images, new_masks, strict=True)
        ]
        assert scores.pixel_accuracy == pytest.approx(np.mean(right))

    def test_one_to_one(self, shared_windowed, images, masks):
        many = shared_windowed.match(images, masks)
        one = shared_windowed.match(images, masks, how="hungarian")
        assert (many.classes >= 0).all()
        assert sorted(one.classes) == [-1, -1, -1, 0, 1]

    def test_one_image_and_its_mask(self, shared, images, masks):
        alone = shared.match(images[0], masks[0])
        np.testing.assert_array_equal(
            alone.classes, shared.match(images[:1], masks[:1]).classes
        )

    def test_masks_in_files(self, shared, images, masks, tmp_path):
        pillow = pytest.importorskip("PIL.Image")
        for number, mask in enumerate(masks):
            pillow.fromarray(mask).save(tmp_path / f"{number}.png")
        files = sorted(tmp_path.iterdir())
        assert shared.score(images, files) == shared.score(images, masks)

    def test_images_without_masks_are_scored_by_their_graph(self, shared, new_images):
        score = shared.score(new_images)
        assert 0.2 < score < 0.6
        assert shared.score(new_images) == score

    def test_sheets_have_names(self, windowed, images):
        pytest.importorskip("PIL")
        without = windowed.contact_sheet(images, n_crops=2, crop_size=16)
        windowed.name_clusters({0: "wall"})
        sheet = windowed.contact_sheet(images, n_crops=2, crop_size=16)
        assert not np.array_equal(sheet.image, without.image)
        # Only what the row says.
        windowed.name_clusters({0: ""})
        again = windowed.contact_sheet(images, n_crops=2, crop_size=16)
        np.testing.assert_array_equal(again.image, without.image)
        np.testing.assert_array_equal(sheet.shares, without.shares)


def test_a_folder_of_masks_is_refused_with_a_way_out(shared, images):
    with pytest.raises(TypeError, match=r"list of paths, such as sorted"):
        shared.match(images, "masks")


def test_masks_of_a_series_go_by_their_position(shared, images, masks):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"image": images, "mask": masks}).iloc[[2, 0, 3, 1]]
    order = list(frame.index)
    given = frame["image"], frame["mask"]
    listed = [images[i] for i in order], [masks[i] for i in order]
    assert shared.score(*given) == shared.score(*listed)
    matching, expected = shared.match(*given), shared.match(*listed)
    np.testing.assert_array_equal(matching.classes, expected.classes)
    scores = shared.evaluate(*given, matching), shared.evaluate(*listed, expected)
    assert scores[0].mean_iou == scores[1].mean_iou
    # No label of these is a position.
    rest = frame["image"][2:], frame["mask"][2:]
    assert shared.score(*rest) == shared.score(listed[0][2:], listed[1][2:])


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (iter, "list_iterator"),
        (lambda masks: (mask for mask in masks), "generator"),
        (lambda masks: dict(enumerate(masks)), "dict"),
    ],
)
def test_masks_that_have_no_order_are_refused(shared, images, masks, make, name):
    with pytest.raises(TypeError, match=rf"masks of type {name}.*pass a list"):
        shared.score(images, make(masks))


def test_folders_go_on_however_parameters_are_written(windowed, images, tmp_path):
    pytest.importorskip("PIL")
    windowed.predict_folder(images, tmp_path, progress=False)
    for same in (
        {"scales": [1.0]},
        {"scales": (1,)},
        {"flip": np.bool_(False)},
        {"window_size": np.int64(32)},
        # Of no effect without refine.
        {"refine_radius": 3.0},
    ):
        windowed.set_params(**same)
        report = windowed.predict_folder(images, tmp_path, progress=False)
        assert (len(report.skipped), report.written) == (len(images), []), same
    for other in ({"scales": (1.0, 0.5)}, {"refine": "guided"}):
        with pytest.raises(ValueError, match="other settings of prediction"):
            copy.deepcopy(windowed).set_params(**other).predict_folder(
                images, tmp_path, progress=False
            )
    windowed.set_params(refine="guided", refine_radius=1)
    kept = windowed._fingerprint()
    assert windowed.set_params(refine_radius=np.float32(1))._fingerprint() == kept
    assert windowed.set_params(refine_radius=2)._fingerprint() != kept
