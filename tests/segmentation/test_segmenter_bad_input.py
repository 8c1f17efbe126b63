"""Bad images, bad masks, bad parameters: a sentence, or a defined result."""

import re

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from neuraleig.affinity import TokenAffinity
from neuraleig.networks import TokenAttention
from neuraleig.segmentation import Backbone, ImageError, ImageWarning, read_image
from neuraleig.segmentation.images._image_files import write_image
from neuraleig.training import Training


@pytest.fixture
def folder(images, tmp_path):
    """A folder of good images."""
    pytest.importorskip("PIL")
    for number, image in enumerate(images):
        write_image(tmp_path / f"good_{number}.png", image)
    return tmp_path


class TestFiles:
    def test_an_empty_folder(self, make_segmenter, tmp_path):
        with pytest.raises(ValueError, match=r"has no images: no file in it"):
            make_segmenter().fit(tmp_path)

    def test_no_folder(self, make_segmenter, tmp_path):
        with pytest.raises(ImageError, match=r"no file or folder .*missing"):
            make_segmenter().fit(tmp_path / "missing")

    def test_an_empty_list(self, make_segmenter, shared):
        for call in (make_segmenter().fit, shared.predict, shared.score):
            with pytest.raises(ValueError, match="images is empty"):
                call([])

    def test_a_generator(self, make_segmenter, images):
        with pytest.raises(TypeError, match="pass a list of what a generator"):
            make_segmenter().fit(image for image in images)

    def test_bad_files_are_left_out(
        self, make_segmenter, folder, shared, assert_same_model
    ):
        (folder / "empty.png").write_bytes(b"")
        whole = (folder / "good_0.png").read_bytes()
        (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
        (folder / "text.jpg").write_text("no image")
        with pytest.warns(ImageWarning, match="3 of 7 images cannot be read") as found:
            model = make_segmenter().fit(folder)
        (warning,) = found
        for name in ("empty.png", "truncated.png", "text.jpg"):
            assert name in str(warning.message)
        # Told of the line that called fit, or what calls it.
        assert warning.filename == __file__
        with pytest.warns(ImageWarning, match="3 of 7") as found:
            with pytest.raises(ImageError):
                make_segmenter().fit_predict(folder)
        assert [warning.filename for warning in found] == [__file__]
        with pytest.warns(ImageWarning, match="3 of 7") as found:
            shared.predict_folder(folder, folder / "out")
        assert [warning.filename for warning in found] == [__file__]
        assert model.n_images_ == 4
        assert_same_model(model, shared)

    def test_only_bad_files(self, make_segmenter, tmp_path):
        pytest.importorskip("PIL")
        (tmp_path / "a.png").write_bytes(b"")
        (tmp_path / "b.png").write_bytes(b"")
        with pytest.raises(ValueError, match=r"none of the 2 images .*a\.png'"):
            make_segmenter().fit(tmp_path)

    def test_predictions_name_the_bad_file(self, shared, folder, masks):
        (folder / "good_1.png").write_bytes(b"")
        labels = shared.iter_predict(folder)
        next(labels)
        with pytest.raises(ImageError, match=r"good_1\.png"):
            next(labels)
        paths = sorted(folder.iterdir())
        for call in (
            shared.predict,
            shared.transform,
            lambda images: list(shared.predict_proba(images)),
            lambda images: shared.score(images, masks),
            lambda images: shared.match(images, masks),
        ):
            for images in (folder, paths):
                with pytest.raises(ImageError, match=r"good_1\.png"):
                    call(images)

    @pytest.mark.parametrize("as_list", [False, True])
    def test_sheets_and_scores_leave_bad_files_out(self, shared, folder, as_list):
        good = [path for path in sorted(folder.iterdir()) if "1" not in path.name]
        sheet, score = shared.contact_sheet(good, n_crops=1), shared.score(good)
        (folder / "good_1.png").write_bytes(b"")
        images = sorted(folder.iterdir()) if as_list else folder
        told = r"1 of 4 images cannot be read and are left out: .*good_1\.png"
        with pytest.warns(ImageWarning, match=told) as found:
            assert shared.score(images) == score
        assert [warning.filename for warning in found] == [__file__]
        with pytest.warns(ImageWarning, match=told) as found:
            image = shared.contact_sheet(images, n_crops=1).image
        assert [warning.filename for warning in found] == [__file__]
        np.testing.assert_array_equal(image, sheet.image)
        for path in good:
            path.write_bytes(b"")
        for call in (shared.score, shared.contact_sheet):
            with pytest.raises(ValueError, match="none of the 4 images can be read"):
                call(images)

    def test_files_of_all_kinds(self, shared, images, tmp_path):
        pillow = pytest.importorskip("PIL.Image")
        rgb = pillow.fromarray(images[0])
        turned = pillow.Exif()
        turned[274] = 6
        rgb.convert("CMYK").save(tmp_path / "cmyk.jpg")
        rgb.convert("RGBA").save(tmp_path / "alpha.png")
        rgb.convert("P").save(tmp_path / "palette.png")
        rgb.save(tmp_path / "turned.jpg", exif=turned)
        deep = images[0][..., 0].astype(np.uint16) * 257
        pillow.fromarray(deep).save(tmp_path / "deep.png")
        for path in tmp_path.iterdir():
            seen = read_image(path)
            height, width = images[0].shape[:2]
            upright = (width, height) if path.name == "turned.jpg" else (height, width)
            labels = shared.predict(path)
            assert labels.shape == upright
            np.testing.assert_array_equal(labels, shared.predict(seen))

    def test_items_that_are_no_images(self, make_segmenter, images):
        with pytest.raises(TypeError, match="'image_0001' of type int"):
            make_segmenter().fit([images[0], 3])
        with pytest.raises(ValueError, match=r"none of the 2 images .*'image_0000'"):
            make_segmenter().fit([np.zeros((4, 4), complex), images[0][:0]])


class TestSmallAndDullImages:
    @pytest.mark.parametrize("size", [(1, 1), (5, 7), (8, 8)])
    def test_one_token(self, make_segmenter, images, size):
        image = images[0][: size[0], : size[1]]
        with pytest.raises(ValueError, match="images have 1 token"):
            make_segmenter().fit(image)

    def test_one_pixel_after_a_fit_to_others(self, shared):
        pixel = np.full((1, 1, 3), 90, np.uint8)
        assert shared.predict(pixel).shape == (1, 1)
        (lazy,) = shared.predict_proba(pixel)
        assert np.asarray(lazy).sum() == pytest.approx(1, abs=1e-5)
        assert np.isfinite(shared.transform(pixel)).all()

    def test_a_pixel_among_others(self, make_segmenter, images, new_images, new_masks):
        pixel = np.full((1, 1, 3), 90, np.uint8)
        model = make_segmenter().fit([pixel, *images])
        assert model.score(new_images, new_masks) > 0.75

    @pytest.mark.parametrize(
        ("network", "init"),
        [("mlp", "spectral"), ("mlp", "random"), (TokenAttention(16, 1, 2), "random")],
    )
    @pytest.mark.parametrize(
        "changes", [{"image_size": 16}, {"window_size": 8}, {"window_size": 16}]
    )
    def test_strips_and_windows_with_fewer_tokens_than_neighbours(
        self, make_segmenter, images, changes, network, init
    ):
        strips = [images[0][:2], images[1][:, :1], np.repeat(images[2][:3], 20, axis=1)]
        training = Training(init=init, max_iter=5)
        model = make_segmenter(
            clusterer__training=training, clusterer__network=network, **changes
        )
        model.fit([images[0], *strips])
        assert np.isfinite(model.loss_curve_).all()
        for image, labels in zip(strips, model.predict(strips), strict=True):
            assert labels.shape == image.shape[:2]

    def test_strips_teach_a_network_of_whole_windows(self, make_segmenter, images):
        strips = [images[0][:2], images[1][:, :1]]
        model = make_segmenter(
            clusterer__training__max_iter=5,
            clusterer__network=TokenAttention(16, 1, 2),
            window_size=16,
        ).fit([images[0], *strips])
        assert np.isfinite(model.loss_curve_).all()
        assert [labels.shape for labels in model.predict(strips)] == [(2, 64), (48, 1)]

    def test_one_line(self, shared, images):
        assert shared.predict(images[0][:1]).shape == (1, 64)
        assert shared.predict(images[0][:, :1]).shape == (48, 1)

    def test_one_image(self, make_segmenter, images, masks):
        model = make_segmenter().fit(images[0])
        assert model.n_images_ == 1
        assert model.score(images[:1], masks[:1]) > 0.75

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"clusterer__training": Training(init="random", max_iter=5)},
            {"clusterer__assign_labels": "kmeans"},
            {"clusterer__assign_labels": "kmeans_hidden"},
            {"clusterer__network": TokenAttention(16, 1, 2)},
            {"pixel_weight": 0.0},
        ],
    )
    def test_one_colour(self, make_segmenter, changes):
        images = [np.full((24, 32, 3), 128, np.uint8)] * 2
        with pytest.warns(ConvergenceWarning, match="Only 1 of n_clusters=2"):
            model = make_segmenter(**changes).fit(images)
        assert all((labels == 0).all() for labels in model.predict(images))
        assert np.isfinite(model.transform(images[0])).all()
        assert model.score(images) == pytest.approx(0, abs=1e-6)

    def test_two_colours(self, make_segmenter):
        dark, light = (np.full((24, 32, 3), v, np.uint8) for v in (60, 200))
        model = make_segmenter().fit([dark, light])
        first, second = model.predict([dark, light])
        assert np.unique(first).size == np.unique(second).size == 1
        assert first[0, 0] != second[0, 0]

    def test_the_same_image_again_and_again(self, make_segmenter, images, masks):
        model = make_segmenter().fit([images[0]] * 6)
        assert model.score(images[:1], masks[:1]) > 0.75

    def test_more_clusters_than_tokens(self, make_segmenter, images):
        with pytest.raises(ValueError, match="48 tokens, too few for n_clusters=100"):
            make_segmenter(100).fit(images[0])


class TestMasks:
    def test_of_another_size(self, shared, images, masks):
        wrong = [masks[0], masks[1][:-1], *masks[2:]]
        with pytest.raises(ValueError, match=r"image 1\b.*\(47, 64\)"):
            shared.score(images, wrong)
        with pytest.raises(ValueError, match=r"image 1\b"):
            shared.match(images, wrong)

    def test_of_another_number(self, shared, images, masks):
        with pytest.raises(ValueError, match="3 masks for 4 images"):
            shared.match(images, masks[:3])

    def test_with_classes_out_of_range(self, shared, images, masks):
        with pytest.raises(ValueError, match="image 0"):
            shared.match(images, [mask + 1 for mask in masks], n_classes=2)
        matching = shared.match(images, masks)
        with pytest.raises(ValueError, match="image 0"):
            shared.evaluate(images, [mask + 1 for mask in masks], matching)

    def test_with_a_class_that_the_map_lacks(self, shared, images, masks):
        matching = shared.match(images[:2], [np.zeros_like(m) for m in masks[:2]])
        with pytest.raises(ValueError, match=r"larger n_classes, also to match"):
            shared.evaluate(images, masks, matching)
        with pytest.raises(ValueError, match=r"pass n_classes=2 to match"):
            shared.evaluate(images, masks, matching, class_names=("plain", "stripes"))
        matching = shared.match(
            images[:2], [np.zeros_like(m) for m in masks[:2]], n_classes=2
        )
        scores = shared.evaluate(
            images, masks, matching, class_names=("plain", "stripes")
        )
        assert 0 < scores.mean_iou < 0.5

    @pytest.mark.parametrize("n_classes", [0, 2.5, "2"])
    def test_numbers_of_classes(self, shared, images, masks, n_classes):
        with pytest.raises(ValueError, match=rf"n_classes={n_classes!r} must be"):
            shared.match(images, masks, n_classes=n_classes)

    def test_with_values_too_large_for_classes(self, shared, images, masks):
        void = [np.where(mask == 1, 1, 65535).astype(np.uint16) for mask in masks]
        for call in (shared.match, shared.score):
            with pytest.raises(ValueError, match="pass ignore_index=65535"):
                call(images, void)
        matching = shared.match(images, void, ignore_index=65535)
        assert matching.n_classes == 2

    def test_with_negative_classes(self, shared, images, masks):
        wrong = [masks[0].astype(int) - 1, *masks[1:]]
        with pytest.raises(ValueError, match="image 0"):
            shared.score(images, wrong)

    def test_with_fractions(self, shared, images, masks):
        with pytest.raises(ImageError, match="it has fractions"):
            shared.score(images[:1], [masks[0] + 0.5])

    def test_without_any_class(self, shared, images, masks):
        nothing = [np.full_like(mask, 255) for mask in masks]
        with pytest.raises(ValueError, match="every pixel of the masks is ignored"):
            shared.score(images, nothing)

    def test_pixels_without_a_class_do_not_count(self, shared, images, masks):
        labels = shared.predict(images)
        matching = shared.match(images, masks)
        right = [
            np.where(matching.apply(own) == mask, mask, 255).astype(np.uint8)
            for own, mask in zip(labels, masks, strict=True)
        ]
        assert shared.score(images, right) == 1


def not_a_number(windows):
    features = torch.nn.functional.avg_pool2d(windows, 8)
    # Images that it is tried on are larger.
    return features * (1.0 if windows.shape[2] > 100 else torch.nan)


def other_channels(windows):
    features = torch.nn.functional.avg_pool2d(windows, 8)
    return features if windows.shape[2] > 100 else features[:, :2]


def no_map(windows):
    return windows.mean(dim=(2, 3))


def not_a_number_at_once(windows):
    return torch.full_like(torch.nn.functional.avg_pool2d(windows, 8), torch.nan)


class NotANumberLater(Backbone):
    """What is not found by trying: it fails on dark windows."""

    def __init__(self):
        super().__init__()
        self.patch_size, self.n_channels, self.identity = 8, (3,), "not a number later"

    def forward(self, images):
        features = torch.nn.functional.avg_pool2d(images, 8)
        dark = images.mean(dim=(1, 2, 3), keepdim=True) < 0.1
        return [torch.where(dark, torch.nan, features)]


class TestBackbones:
    @pytest.mark.parametrize(
        ("backbone", "message"),
        [
            (not_a_number, "not finite"),
            (not_a_number_at_once, "not finite"),
            (other_channels, "must not depend on the images"),
            (no_map, r"must be \(N, C, H', W'\)"),
        ],
    )
    def test_of_bad_features(self, make_segmenter, images, backbone, message):
        with pytest.raises(ValueError, match=message):
            make_segmenter(backbone=backbone).fit(images)

    def test_that_fail_later(self, make_segmenter, images):
        dark = np.zeros((24, 32, 3), np.uint8)
        model = make_segmenter(backbone=NotANumberLater())
        with pytest.raises(ValueError, match="features are not finite"):
            model.fit([*images, dark])
        model.fit(images)
        for call in (model.predict, model.transform, model.score):
            with pytest.raises(ValueError, match="features are not finite"):
                call([dark])

    def test_parameters_of_what_has_none(self, make_segmenter):
        with pytest.raises(ValueError, match="backbone='color_texture' has no"):
            make_segmenter(backbone__layers=(1, 2))


WRONG = [
    ("n_clusters", 0),
    ("n_clusters", 2.5),
    ("backbone", 3),
    ("clusterer", 3),
    ("clusterer", KMeans()),
    ("image_size", 0),
    ("window_size", 0),
    ("stride", 0),
    ("stride", 513),
    ("scales", 1.0),
    ("scales", ()),
    ("scales", (1.0, 0.0)),
    ("scales", (float("nan"),)),
    ("scales", ("large",)),
    ("flip", "yes"),
    ("refine", "crf"),
    ("refine_radius", 0.0),
    ("pixel_weight", -0.1),
    ("tokens_per_window", 0),
    ("max_tokens", 1),
    ("feature_cache", 3),
    ("device", "abacus"),
    ("device", 0),
    ("callbacks", [3]),
    ("checkpoint", 3),
    ("verbose", "yes"),
    ("random_state", "luck"),
    # Of the clusterer, before any work.
    ("clusterer__n_components", 0),
    ("clusterer__assign_labels", "discretize"),
    ("clusterer__training__lr", 0.0),
    ("clusterer__training__init", "pca"),
    ("clusterer__network__n_heads", 0),
    ("clusterer__affinity__pixel_weight", -1.0),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_parameters_are_named(make_segmenter, images, name, value):
    parts = {
        "clusterer__network__n_heads": {"clusterer__network": TokenAttention()},
        "clusterer__affinity__pixel_weight": {"clusterer__affinity": TokenAffinity()},
    }
    model = make_segmenter(**parts.get(name, {}), **{name: value})
    last = name.rpartition("__")[2]
    with pytest.raises((ValueError, TypeError), match=last) as found:
        model.fit(images)
    shown = value[0] if isinstance(value, list) else value
    assert re.escape(str(shown)) in re.escape(str(found.value)) or name == "callbacks"


def test_too_narrow_for_orthogonal_heads(make_segmenter, images, tmp_path):
    network = TokenAttention(16, 1, 2)
    model = make_segmenter(
        17, clusterer__network=network, clusterer__training__head="orthogonal"
    )
    model.set_params(feature_cache=tmp_path / "features")
    message = r"^clusterer__training__head='orthogonal' is .* network of 16 outputs"
    with pytest.raises(ValueError, match=message):
        model.fit(images)
    # Before any features are computed.
    assert not list(tmp_path.rglob("*.*"))


def test_steps_too_large_are_told_of(make_segmenter, images):
    training = Training(lr=1e6, max_iter=20, optimizer="adam")
    with pytest.raises(FloatingPointError, match=r"lr=1000000\.0; a lower lr"):
        make_segmenter(clusterer__training=training).fit(images)
