"""What a fitted segmenter says of images, whatever they come in and with."""

import copy
import pickle
from types import SimpleNamespace

import new_process
import numpy as np
import pytest
import torch
from sklearn.base import clone

from neuraleig import NeuralEigenSpectralClustering
from neuraleig._fit import _teach
from neuraleig.affinity import NeighborAffinity, TokenAffinity
from neuraleig.networks import TokenAttention
from neuraleig.segmentation import _window_tokens
from neuraleig.segmentation._window_tokens import windows_at_a_time
from neuraleig.segmentation.backbones import FeatureCacheWarning
from neuraleig.segmentation.images._image_files import write_image
from neuraleig.training import BaseCallback, CheckpointError, Training

IN_ANOTHER_PROCESS = """
import pickle, sys
import numpy as np
import torch
torch.set_num_threads(1)
with open(sys.argv[1], "rb") as file:
    model, images = pickle.load(file)
labels = [model.predict(image) for image in images[::-1]][::-1]
np.savez(sys.argv[2], *labels)
"""


class Pairs:
    """Data set whose items are an image and something else."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], "not an image"


def assert_same_labels(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def probabilities(model, images):
    return [np.asarray(lazy) for lazy in model.predict_proba(images)]


class TestPredict:
    def test_labels_are_of_the_size_of_the_image(self, shared, images):
        for image, labels in zip(images, shared.predict(images), strict=True):
            assert labels.shape == image.shape[:2]
            assert labels.dtype == np.uint8
            assert set(np.unique(labels)) == {0, 1}

    def test_textures_of_new_images_are_told_apart(self, shared, new_images, new_masks):
        assert shared.score(new_images, new_masks) > 0.75

    @pytest.mark.parametrize("model", ["shared", "shared_windowed"])
    def test_labels_do_not_depend_on_the_other_images(self, model, images, request):
        model = request.getfixturevalue(model)
        together = model.predict(images)
        assert_same_labels([model.predict(image) for image in images], together)
        assert_same_labels(model.predict(images[::-1])[::-1], together)
        assert_same_labels(list(model.iter_predict(images[2:])), together[2:])

    def test_another_process_says_the_same(self, shared_windowed, images, tmp_path):
        stored, answer = tmp_path / "model.pickle", tmp_path / "labels.npz"
        stored.write_bytes(pickle.dumps((shared_windowed, images)))
        new_process.run(["-c", IN_ANOTHER_PROCESS, stored, answer], check=True)
        with np.load(answer) as labels:
            found = [labels[name] for name in labels.files]
        assert_same_labels(found, shared_windowed.predict(images))

    @pytest.mark.parametrize("at_a_time", [1, 3, 100])
    def test_batches_of_windows_change_nothing(
        self, windowed, images, at_a_time, monkeypatch
    ):
        expected = probabilities(windowed, images)
        monkeypatch.setattr(_window_tokens, "CPU_TOKENS", 16 * at_a_time)
        for found, other in zip(probabilities(windowed, images), expected, strict=True):
            # Features are rounded to 16 bits.
            np.testing.assert_allclose(found, other, atol=1e-3)

    @pytest.mark.parametrize(
        ("n_tokens", "device", "expected"),
        [
            (1369, "cpu", 2),
            (16, "cpu", 256),
            (1369, "cuda", 11),
            (16, "cuda", 1024),
            # A whole image without windows.
            (50_000, "cuda", 1),
        ],
    )
    def test_more_windows_at_a_time_on_cuda(self, n_tokens, device, expected):
        found = windows_at_a_time(n_tokens, torch.device(device))
        assert found == expected

    def test_a_prediction_changes_nothing(self, fitted, images):
        before = pickle.dumps(fitted.eigenfunctions_.state_dict())
        first = fitted.predict(images)
        assert_same_labels(fitted.predict(images), first)
        assert pickle.dumps(fitted.eigenfunctions_.state_dict()) == before

    def test_fit_predict_is_fit_and_predict(self, make_segmenter, shared, images):
        labels = make_segmenter().fit_predict(images)
        assert_same_labels(labels, shared.predict(images))


class TestKindsOfImages:
    def test_one_image_in_any_form(self, shared, images, tmp_path):
        pillow = pytest.importorskip("PIL.Image")
        image = images[2]
        expected = shared.predict(image)
        write_image(tmp_path / "image.png", image)
        channels_first = torch.from_numpy(image).permute(2, 0, 1)
        for form in (
            tmp_path / "image.png",
            str(tmp_path / "image.png"),
            pillow.fromarray(image),
            channels_first,
            channels_first.float() / 255,
            image.astype(np.float32) / 255,
            image.astype(np.uint16) * 257,
        ):
            np.testing.assert_array_equal(shared.predict(form), expected)

    def test_many_images_in_any_form(self, shared, images, tmp_path):
        pytest.importorskip("PIL")
        for number, image in enumerate(images):
            write_image(tmp_path / f"{number}.png", image)
        expected = shared.predict(images)
        assert_same_labels(shared.predict(tmp_path), expected)
        assert_same_labels(shared.predict(str(tmp_path)), expected)
        assert_same_labels(shared.predict(sorted(tmp_path.iterdir())), expected)
        assert_same_labels(shared.predict(Pairs(images)), expected)
        assert_same_labels(shared.predict(tuple(images)), expected)

    def test_stacks(self, shared, new_images):
        expected = shared.predict(new_images)
        stack = np.stack(new_images)
        assert_same_labels(shared.predict(stack), expected)
        tensors = torch.from_numpy(stack).permute(0, 3, 1, 2)
        assert_same_labels(shared.predict(tensors), expected)

    def test_a_list_of_one_gives_a_list(self, shared, images):
        (labels,) = shared.predict(images[:1])
        np.testing.assert_array_equal(labels, shared.predict(images[0]))

    def test_fit_takes_files_as_arrays(
        self, make_segmenter, shared, images, tmp_path, assert_same_model
    ):
        pytest.importorskip("PIL")
        for number, image in enumerate(images):
            write_image(tmp_path / f"{number}.png", image)
        found = make_segmenter().fit(tmp_path)
        assert found.n_images_ == len(images)
        assert_same_model(found, shared)

    def test_grey_images(self, shared, images):
        grey = images[0][..., 0]
        same = np.repeat(grey[..., None], 3, axis=2)
        np.testing.assert_array_equal(shared.predict(grey), shared.predict(same))


class TestPredictProba:
    @pytest.mark.parametrize("model", ["shared", "shared_windowed"])
    def test_the_largest_is_the_label(self, model, images, request):
        model = request.getfixturevalue(model)
        for image, lazy in zip(images, model.predict_proba(images), strict=True):
            found = np.asarray(lazy)
            assert lazy.shape == found.shape == (*image.shape[:2], model.n_clusters_)
            np.testing.assert_array_equal(found.argmax(axis=2), model.predict(image))

    def test_probabilities_sum_to_one(self, shared_windowed, images):
        for found in probabilities(shared_windowed, images):
            assert found.min() >= 0
            np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)

    def test_strips_are_the_array(self, shared_windowed):
        # High and wide enough for several strips.
        image = np.random.default_rng(0).integers(0, 256, (2048, 512, 3), np.uint8)
        (lazy,) = shared_windowed.predict_proba(image)
        strips = list(lazy.strips())
        assert len(strips) > 1
        rows = np.concatenate([np.arange(2048)[rows] for rows, _ in strips])
        np.testing.assert_array_equal(rows, np.arange(2048))
        joined = np.concatenate([values for _, values in strips])
        np.testing.assert_array_equal(joined, np.asarray(lazy))

    def test_it_is_lazy(self, shared, images):
        read = []

        class Watched(Pairs):
            def __getitem__(self, index):
                read.append(index)
                return super().__getitem__(index)

        found = shared.predict_proba(Watched(images))
        assert read == []
        next(found)
        assert read == [0]

    def test_types_of_arrays(self, shared, images):
        (lazy,) = shared.predict_proba(images[0])
        assert np.asarray(lazy).dtype == np.float32
        assert np.asarray(lazy, dtype=np.float64).dtype == np.float64

    @pytest.mark.parametrize("dtype", [None, np.float32])
    def test_arrays_that_must_not_be_copies_cannot_be_had(self, shared, images, dtype):
        (lazy,) = shared.predict_proba(images[0])
        with pytest.raises(ValueError, match="copy=False cannot be had"):
            lazy.__array__(dtype, copy=False)
        for copied in (None, True):
            assert lazy.__array__(dtype, copy=copied).shape == lazy.shape


class TestTransform:
    def test_shapes(self, shared_windowed, images):
        n_components = shared_windowed.eigenvalues_.size
        assert n_components == 4
        found = shared_windowed.transform(images)
        shapes = [(-(-i.shape[0] // 8), -(-i.shape[1] // 8), 4) for i in images]
        assert [values.shape for values in found] == shapes
        assert all(values.dtype == np.float32 for values in found)

    def test_the_first_function_is_constant(self, shared_windowed, images):
        for values in shared_windowed.transform(images):
            np.testing.assert_allclose(values[..., 0], 1, atol=1e-6)

    def test_one_image_gives_one_array(self, shared, images):
        (expected,) = shared.transform(images[1:2])
        np.testing.assert_array_equal(shared.transform(images[1]), expected)

    def test_the_second_function_tells_the_textures_apart(self, shared, images, masks):
        for values, mask in zip(shared.transform(images), masks, strict=True):
            centres = mask[4::8, 4::8].astype(bool)
            second = values[: centres.shape[0], : centres.shape[1], 1]
            gap = abs(second[centres].mean() - second[~centres].mean())
            assert gap > 2 * max(second[centres].std(), second[~centres].std())


class TestViews:
    def test_a_view_twice_is_that_view(self, fitted, images):
        expected = probabilities(fitted, images)
        fitted.set_params(scales=(1.0, 1.0))
        for found, other in zip(probabilities(fitted, images), expected, strict=True):
            np.testing.assert_allclose(found, other, atol=1e-5)

    def test_flipped_images_have_flipped_labels(self, fitted, images):
        fitted.set_params(flip=True)
        whole = [image for image in images if image.shape[1] % 8 == 0]
        mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in whole]
        for found, expected in zip(
            probabilities(fitted, mirrored), probabilities(fitted, whole), strict=True
        ):
            np.testing.assert_allclose(found, expected[:, ::-1], atol=1e-5)

    def test_several_scales(self, fitted, new_images, new_masks):
        fitted.set_params(scales=(0.75, 1.0, 1.5))
        assert fitted.score(new_images, new_masks) > 0.75

    def test_refinement_changes_labels_alone(self, fitted, new_images, new_masks):
        before = probabilities(fitted, new_images)
        plain = fitted.predict(new_images)
        fitted.set_params(refine="guided", refine_radius=0.5)
        for found, other in zip(probabilities(fitted, new_images), before, strict=True):
            np.testing.assert_array_equal(found, other)
        refined = fitted.predict(new_images)
        assert any((a != b).any() for a, b in zip(plain, refined, strict=True))
        assert fitted.score(new_images, new_masks) > 0.75

    @pytest.mark.parametrize(
        "changes",
        [{"window_size": 24, "stride": 8}, {"window_size": None}, {"image_size": 36}],
    )
    def test_sizes_that_are_set_after_the_fit_hold(
        self, windowed, images, changes, tmp_path
    ):
        before = probabilities(windowed, images)
        settled = {name: getattr(windowed, name) for name in changes}
        report = windowed.predict_folder(images, tmp_path, progress=False)
        assert len(report.written) == len(images)
        windowed.set_params(**changes)
        for one, other in zip(probabilities(windowed, images), before, strict=True):
            assert not np.array_equal(one, other)
        shape = windowed.transform(images[0]).shape[:2]
        side = changes.get("image_size", 48)
        assert shape == (-(-side // 8), -(-side * 64 // 48 // 8))
        # Labels of other windows are none of these.
        with pytest.raises(ValueError, match="other settings of prediction"):
            windowed.predict_folder(images, tmp_path, progress=False)
        windowed.set_params(**settled)
        assert_same_labels(probabilities(windowed, images), before)

    def test_a_copy_with_windows_is_one_whose_parameters_are_set(
        self, windowed, images
    ):
        other = windowed.with_windows(24, 8)
        assert windowed.window_size == 32
        windowed.set_params(window_size=24, stride=8)
        assert_same_labels(other.predict(images), windowed.predict(images))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("image_size", 0),
            ("window_size", 0),
            ("window_size", 2.5),
            ("stride", 513),
            ("scales", ()),
            ("scales", (0.0,)),
            ("flip", "yes"),
            ("refine", "sharp"),
            ("refine_radius", -1.0),
            ("max_tokens", 1),
        ],
    )
    def test_what_is_set_after_the_fit_is_checked(
        self, fitted, images, name, value, tmp_path
    ):
        fitted.set_params(**{name: value})
        with pytest.raises(ValueError, match=name):
            fitted.predict(images)
        with pytest.raises(ValueError, match=name):
            fitted.predict_folder(images, tmp_path)
        assert not any(tmp_path.iterdir())


class TestFit:
    def test_the_same_seed_gives_the_same_model(
        self, make_segmenter, shared, images, assert_same_model
    ):
        torch.manual_seed(123)
        state = torch.get_rng_state()
        again = make_segmenter().fit(images)
        assert_same_model(again, shared)
        # Nothing of the user's is drawn from.
        assert torch.equal(torch.get_rng_state(), state)

    def test_another_seed_gives_another_model(
        self, make_segmenter, shared, images, assert_same_model
    ):
        other = make_segmenter(random_state=1).fit(images)
        with pytest.raises(AssertionError):
            assert_same_model(other, shared)

    def test_a_generator_is_drawn_from(self, make_segmenter, images, assert_same_model):
        generator = np.random.RandomState(5)
        one = make_segmenter(random_state=generator).fit(images[:2])
        next_one = make_segmenter(random_state=generator).fit(images[:2])
        again = make_segmenter(random_state=np.random.RandomState(5)).fit(images[:2])
        assert_same_model(one, again)
        with pytest.raises(AssertionError):
            assert_same_model(next_one, one)

    def test_other_orders_give_models_as_good(
        self, make_segmenter, images, new_images, new_masks
    ):
        found = make_segmenter().fit(images[::-1])
        assert found.score(new_images, new_masks) > 0.75

    def test_attributes(self, shared, images):
        assert shared.n_clusters_ == 2
        assert shared.cluster_names_ == {}
        assert shared.n_images_ == len(images)
        assert shared.device_ == "cpu"
        assert shared.eigenvalues_[0] == 1
        assert shared.eigenvalues_.shape == (2,)
        assert np.all(np.diff(shared.graph_eigenvalues_) <= 0)
        assert shared.cluster_curve_ is None
        assert 0 < shared.modularity_ < 1
        # Least squares alone: there was nothing else to learn.
        assert (shared.loss_curve_, shared.n_iter_) == ([], 1)
        n_channels = sum(shared.backbone_.n_channels)
        assert shared.token_mean_.shape == shared.token_scale_.shape == (n_channels,)

    def test_modularity_is_that_of_score(self, shared, images):
        assert shared.score(images) == pytest.approx(shared.modularity_, abs=0.02)

    def test_a_failed_fit_leaves_the_estimator_as_it_was(
        self, fitted, images, assert_same_model
    ):
        before = copy.deepcopy(fitted)

        def failing(windows):
            if windows.shape[2] < 100:  # not one it is tried on
                raise RuntimeError("no more power")
            return torch.nn.functional.avg_pool2d(windows, 8)

        fitted.set_params(backbone=failing)
        with pytest.raises(RuntimeError, match="no more power"):
            fitted.fit(images)
        assert_same_model(fitted, before)
        assert_same_labels(fitted.predict(images), before.predict(images))
        assert vars(fitted).keys() == vars(before).keys()

    def test_callbacks_see_both_trainings(self, make_segmenter, images, monkeypatch):
        # More than there is to know, so that both are needed.
        monkeypatch.setattr(_teach, "LEARNED_AGREEMENT", 2.0)

        class Watch(BaseCallback):
            def __init__(self):
                self.phases = []

            def on_train_begin(self, state):
                self.phases.append(state.phase)

        watch = Watch()
        make_segmenter(
            callbacks=[watch],
            clusterer__network=TokenAttention(16, 1, 2),
            clusterer__training__max_iter=2,
        ).fit(images)
        assert watch.phases == ["warm_start", "fine_tuning"]

    def test_stages_are_told_of(self, make_segmenter, images, capsys):
        make_segmenter(verbose=1).fit(images[:2])
        told = capsys.readouterr().err
        assert "neuraleig: backbone: 136 channels a token" in told
        assert "neuraleig: features: 2 images" in told
        assert "eigenvectors" in told


class TestClusterer:
    """The fitted clusterer is usable by itself, on features of tokens."""

    def test_it_labels_tokens(self, shared, images):
        tokens = list(shared.iter_tokens(images))
        for image, own, values in zip(
            images, tokens, shared.transform(images), strict=True
        ):
            rows, columns = (-(-side // 8) for side in image.shape[:2])
            assert own.shape == (rows * columns, len(shared.token_mean_))
            assert own.dtype == np.float32
            functions = shared.clusterer_.transform(own)
            np.testing.assert_allclose(
                functions, values.reshape(len(own), -1), atol=1e-5
            )
            # Centres of the patches, where nothing is interpolated.
            labels = shared.predict(image)[4::8, 4::8]
            found = shared.clusterer_.predict(own).reshape(rows, columns)
            found = found[: labels.shape[0], : labels.shape[1]]
            assert (found == labels).mean() > 0.95
        whole = shared.clusterer_.predict(shared.iter_tokens(images))
        np.testing.assert_array_equal(
            whole, shared.clusterer_.predict(np.concatenate(tokens))
        )

    def test_it_is_a_clone(self, make_segmenter, images):
        clusterer = NeuralEigenSpectralClustering(n_components=3)
        model = make_segmenter(clusterer=clusterer, verbose=0).fit(images)
        assert model.clusterer is clusterer
        assert not hasattr(clusterer, "labels_")
        assert model.clusterer_.n_components == 3
        assert model.clusterer_.n_clusters == 2
        assert repr(model.clusterer_.affinity_) == (
            "TokenAffinity(affinity=NeighborAffinity(across_groups=False), "
            "n_channels=102,\n              pixel_weight=0.3)"
        )

    def test_its_own_settings_hold(self, make_segmenter, images):
        clusterer = NeuralEigenSpectralClustering(
            affinity=TokenAffinity(NeighborAffinity(20), n_channels=6, pixel_weight=0),
            training=Training(max_iter=3),
        )
        model = make_segmenter(clusterer=clusterer).fit(images)
        assert model.clusterer_.affinity_.pixel_weight == 0
        assert model.clusterer_.affinity_.n_channels == 6
        assert len(model.loss_curve_) == 3

    def test_windows_are_seen_whole_by_attention(self, shared_attention, images):
        # A token alone is another window.
        tokens = next(shared_attention.iter_tokens(images[0]))
        functions = shared_attention.transform(images[0])
        alone = shared_attention.clusterer_.transform(tokens)
        assert alone.shape == (len(tokens), functions.shape[2])
        assert not np.allclose(alone, functions.reshape(alone.shape), atol=1e-2)
        assert shared_attention.predict(images[0]).max() < 3


class TestSupervision:
    """What rows have, images have: resume, stopping, scikit-learn's callbacks."""

    @pytest.mark.parametrize("random_state", [0, None])
    @pytest.mark.parametrize("network", ["mlp", TokenAttention(16, 1, 2)])
    def test_an_interrupted_fit_goes_on(
        self, make_segmenter, images, tmp_path, assert_same_model, network, random_state
    ):
        class Interrupt(BaseCallback):
            def on_batch_end(self, state):
                if state.phase == "fine_tuning" and state.step == 55:
                    raise KeyboardInterrupt

        changes = {
            "clusterer__network": network,
            "clusterer__training": Training(
                max_iter=60, batch_size=2, checkpoint_interval=50
            ),
            "random_state": random_state,
        }
        folder = tmp_path / "fit"
        model = make_segmenter(checkpoint=folder, **changes)
        with pytest.raises(KeyboardInterrupt):
            clone(model).set_params(callbacks=[Interrupt()]).fit(images)
        assert folder.exists()
        steps = Steps()
        model.set_params(callbacks=[steps]).fit(images)
        assert steps.first["fine_tuning"] == 50
        assert not folder.exists()
        assert len(model.loss_curve_) == 60
        if random_state is not None:
            assert_same_model(model, make_segmenter(**changes).fit(images))

    def test_other_images_are_another_fit(self, make_segmenter, images, tmp_path):
        class Interrupt(BaseCallback):
            def on_batch_end(self, state):
                raise KeyboardInterrupt

        model = make_segmenter(
            checkpoint=tmp_path / "fit", clusterer__training__max_iter=9
        )
        with pytest.raises(KeyboardInterrupt):
            clone(model).set_params(callbacks=[Interrupt()]).fit(images)
        with pytest.raises(CheckpointError, match="a fit with other images"):
            model.fit(images[1:])
        with pytest.raises(CheckpointError, match="a fit with other n_clusters"):
            clone(model).set_params(n_clusters=3).fit(images)

    def test_training_ends_when_nothing_improves(self, make_segmenter, images):
        model = make_segmenter(
            clusterer__training=Training(
                max_iter=2000, n_iter_no_change=1, tol=0.9, validation_fraction=0.5
            )
        ).fit(images)
        assert 0 < len(model.loss_curve_) < 2000

    def test_heads_are_solved_for(self, make_segmenter, images):
        # No step is needed where least squares know the targets.
        model = make_segmenter().fit(images)
        assert model.n_iter_ == 1
        head = model.eigenfunctions_.network.label_head
        assert head.weight.abs().max() > 0

    def test_scikit_learns_callbacks_see_all_stages(self, make_segmenter, images):
        callback = pytest.importorskip("sklearn.callback")

        class Stages:
            def __init__(self):
                self.names = []

            def setup(self, estimator, context):
                pass

            def on_fit_task_begin(self, estimator, context):
                self.names.append((context.estimator_name, context.task_name))

            def on_fit_task_end(self, estimator, context):
                pass

            def teardown(self, estimator, context):
                pass

        stages = Stages()
        assert isinstance(stages, callback.FitCallback)
        make_segmenter().set_callbacks(stages).fit(images)
        assert stages.names == [
            ("DenseSegmenter", "fit"),
            ("DenseSegmenter", "backbone"),
            ("DenseSegmenter", "features"),
            ("DenseSegmenter", "clusters"),
        ]

    def test_a_bar_of_scikit_learn(self, make_segmenter, images, capsys):
        callback = pytest.importorskip("sklearn.callback")
        pytest.importorskip("rich")
        model = make_segmenter(clusterer__training__max_iter=3)
        model.set_callbacks(callback.ProgressBar(max_propagation_depth=None))
        model.fit(images)
        told = capsys.readouterr().out
        assert "DenseSegmenter" in told
        assert "NeuralEigenSpectralClustering" in told
        assert not hasattr(model.clusterer_, "_parent_callback_ctx")


class Steps(BaseCallback):
    """First step that every training saw."""

    def __init__(self):
        self.first = {}

    def on_batch_begin(self, state):
        self.first.setdefault(state.phase, state.step)


class Counted:
    """Mean colours of patches of 8, and how many windows it was asked for."""

    def __init__(self):
        self.n_windows = 0

    def __call__(self, windows):
        if windows.shape[2] < 100:  # not one it is tried on
            self.n_windows += len(windows)
        stripes = (windows - windows.mean(dim=(2, 3), keepdim=True)).abs()
        return torch.nn.functional.avg_pool2d(torch.cat([windows, stripes], 1), 8)


NO_ROOM = r"features take 5.75e-05 GB that .* has 0 GB free"


@pytest.fixture
def no_room(monkeypatch):
    """Room of disks, which may be set; none at first."""
    found = SimpleNamespace(free=0)
    monkeypatch.setattr("shutil.disk_usage", lambda path: found)
    return found


class TestFeatureCache:
    @pytest.mark.parametrize("window_size", [None, 32])
    def test_where_features_are_kept_does_not_matter(
        self, make_segmenter, images, tmp_path, assert_same_model, window_size
    ):
        kept, anew = (
            make_segmenter(feature_cache=cache, window_size=window_size).fit(images[1:])
            for cache in (tmp_path, None)
        )
        assert_same_model(kept, anew)
        # The first image is not one of the fit.
        assert_same_labels(kept.predict(images), anew.predict(images))
        assert_same_labels(kept.predict(images), anew.predict(images))

    def test_a_temporary_folder_goes_with_the_segmenter(
        self, make_segmenter, images, tmp_path, monkeypatch
    ):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        model = make_segmenter().fit(images[:1])
        assert len(list(tmp_path.iterdir())) == 1
        twin = pickle.loads(pickle.dumps(model))
        view = model.with_windows(32)
        del model
        assert len(list(tmp_path.iterdir())) == 1
        del view
        assert list(tmp_path.iterdir()) == []
        twin.predict(images[0])
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("window_size", [None, 32])
    def test_every_window_is_computed_once(
        self, make_segmenter, images, tmp_path, assert_same_model, window_size
    ):
        first, second = Counted(), Counted()
        parameters = {"feature_cache": tmp_path, "window_size": window_size}
        one = make_segmenter(backbone=first, **parameters).fit(images)
        n_windows = one.backbone_.function.n_windows
        assert n_windows >= len(images)
        other = make_segmenter(backbone=second, **parameters).fit(images)
        assert other.backbone_.function.n_windows == 0
        assert_same_model(one, other)
        # Other images beside the same ones: only they are computed.
        more = make_segmenter(backbone=Counted(), **parameters)
        more.fit([*images, images[0][::2]])
        assert 0 < more.backbone_.function.n_windows < n_windows

    @pytest.mark.parametrize("window_size", [None, 32])
    def test_a_fit_computes_for_all_that_follows(
        self, make_segmenter, images, tmp_path, window_size
    ):
        model = make_segmenter(backbone=Counted(), window_size=window_size).fit(images)
        counted = model.backbone_.function
        before = counted.n_windows
        model.predict(images)
        list(model.predict_proba([image.copy() for image in images]))
        model.predict_folder(images, tmp_path / "labels", progress=False)
        model.contact_sheet(images)
        model.transform(images)
        model.score(images)
        masks = [np.zeros(image.shape[:2], np.uint8) for image in images]
        model.match(images, masks)
        model.set_params(n_clusters=2).fit(images)
        assert counted.n_windows == before
        # And what is new is computed once.
        model.set_params(flip=True)
        for _ in range(2):
            model.predict(images)
            assert counted.n_windows == 2 * before

    def test_predictions_without_a_store(self, make_segmenter, images, shared):
        model = make_segmenter(backbone=Counted()).fit(images)
        counted = model.backbone_.function
        before = counted.n_windows
        model.set_params(feature_cache=None)
        model.predict(images)
        assert counted.n_windows == 2 * before

    def test_a_folder_is_used_by_predictions_where_there_is_one(
        self, make_segmenter, images, tmp_path
    ):
        folder = tmp_path / "features"
        model = make_segmenter(backbone=Counted(), feature_cache=None).fit(images[1:])
        model.set_params(feature_cache=folder)
        expected = model.predict(images)
        assert not folder.exists()
        folder.mkdir()
        before = model.backbone_.function.n_windows
        for _ in range(2):
            assert_same_labels(model.predict(images), expected)
            found = model.backbone_.function.n_windows - before
            assert found == len(images)

    def test_the_shared_folder(self, make_segmenter, images, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
        parameters = {"backbone": Counted(), "feature_cache": "shared"}
        for _ in range(2):
            make_segmenter(**parameters).fit(images)
            assert parameters["backbone"].n_windows == len(images)
        assert len(list((tmp_path / "neuraleig").rglob("*.features"))) == len(images)

    def test_a_full_disk_is_done_without(
        self, make_segmenter, images, shared, no_room, assert_same_model
    ):
        with pytest.warns(FeatureCacheWarning, match=NO_ROOM) as found:
            model = make_segmenter().fit(images)
        (warning,) = found
        assert "feature_cache='auto' has not" in str(warning.message)
        # Told of the line that called fit.
        assert warning.filename == __file__
        assert_same_model(model, shared)

    def test_a_folder_without_room_is_refused(
        self, make_segmenter, images, tmp_path, no_room
    ):
        model = make_segmenter(feature_cache=tmp_path)
        with pytest.raises(OSError, match=NO_ROOM + r".*pass feature_cache=None"):
            model.fit(images)
        assert not any(path.is_file() for path in tmp_path.rglob("*"))

    def test_what_is_stored_needs_no_room(
        self, make_segmenter, images, tmp_path, request
    ):
        parameters = {"feature_cache": tmp_path}
        make_segmenter(**parameters).fit(images)
        sizes = request.getfixturevalue("no_room")
        make_segmenter(**parameters).fit(images)
        with pytest.raises(OSError, match="features take"):
            make_segmenter(**parameters).fit([*images, *(i[::-1] for i in images)])
        sizes.free = 10**6
        make_segmenter(**parameters).fit([*images, *(i[::-1] for i in images)])
