"""Models in files: what comes back is what was saved, or one clear error."""

from pathlib import Path

import new_process
import numpy as np
import pytest
import torch
from persistence.own_parts import Shrunk, edited, plain
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from torch import nn

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering, load, save
from neuraleig.affinity import NeighborAffinity
from neuraleig.networks import TokenAttention
from neuraleig.persistence import ModelFileError
from neuraleig.persistence._model_file import read_model
from neuraleig.segmentation import ColorTexture, TimmBackbone
from neuraleig.training import BaseCallback, Training

# Of pictures that are seen small, one cluster has two of the textures.
LARGE_CLUSTER = "ignore:Cluster . has:neuraleig.segmentation.ClusterWarning"


def pictures(n_images=2, seed=0):
    """Two textures side by side, and noise on all of it."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 40, (n_images, 64, 96, 3))
    images[:, :, 48:] += generator.integers(0, 2, (n_images, 64, 48, 1)) * 180
    images[:, 32:, :48, 0] += 120
    return list(images.astype(np.uint8))


def fitted(**changes):
    parameters = {
        "backbone": "color_texture",
        "clusterer__hidden_sizes": (16, 8),
        "random_state": 0,
        "device": "cpu",
    }
    segmenter = DenseSegmenter(3).set_params(**{**parameters, **changes})
    return clone(segmenter).fit(pictures())


@pytest.fixture(scope="module")
def model():
    return fitted().name_clusters({0: "sky", 2: "Straße"}).merge_clusters([(0, 1)])


@pytest.fixture
def path(model, tmp_path):
    save(model, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def assert_same(one, other, images):
    for rgb in images:
        assert np.array_equal(one.predict(rgb), other.predict(rgb))
        assert np.array_equal(one.transform(rgb), other.transform(rgb))
        (mine,), (theirs,) = one.predict_proba(rgb), other.predict_proba(rgb)
        assert np.array_equal(np.asarray(mine), np.asarray(theirs))


def test_a_loaded_model_says_the_same_bit_for_bit(model, path):
    loaded = load(path, device="cpu")
    assert_same(model, loaded, [*pictures(), np.zeros((30, 50, 3), np.uint8)])
    assert loaded._fingerprint() == model._fingerprint()
    assert loaded.score(pictures()) == model.score(pictures())


def test_in_a_later_process_it_does_too(model, path, tmp_path):
    np.save(tmp_path / "images.npy", np.stack(pictures()))
    code = (
        "import sys, numpy as np; from neuraleig import load, save; "
        # Files need nothing optional.
        "assert sys.modules.keys().isdisjoint({'timm', 'PIL', 'torchvision'}); "
        "model = load(sys.argv[1], device='cpu'); "
        "images = np.load(sys.argv[2]); "
        "np.savez(sys.argv[3], labels=model.predict(list(images)), "
        "functions=model.transform(list(images)))"
    )
    out = tmp_path / "labels.npz"
    new_process.run(["-c", code, path, tmp_path / "images.npy", out], check=True)
    found = np.load(out)
    assert np.array_equal(found["labels"], model.predict(pictures()))
    assert np.array_equal(found["functions"], model.transform(pictures()))


def test_every_parameter_and_attribute_comes_back(model, path):
    loaded = load(path, device="cpu")
    parameters = plain(model.get_params())
    assert plain(loaded.get_params()) == parameters
    assert list(map(type, plain(loaded.get_params()).values())) == list(
        map(type, parameters.values())
    )
    # Stores of features are no part of a model.
    assert vars(loaded).keys() == vars(model).keys() - {"_kept"}
    # That of the rows has tests of its own.
    of_rows = plain(loaded.clusterer_.get_params())
    assert of_rows == plain(model.clusterer_.get_params()) | {"device": "cpu"}
    # Pictures of the tokens have no labels beside them in files.
    known, kept = model._occurrences, loaded._occurrences
    np.testing.assert_array_equal(kept.counts, known.counts, strict=True)
    np.testing.assert_array_equal(kept.probabilities, known.probabilities, strict=True)
    assert kept.pictures is None
    own = {"clusterer_", "_occurrences"}
    for name in vars(loaded).keys() - parameters.keys() - own:
        one, other = getattr(model, name), getattr(loaded, name)
        if isinstance(one, nn.Module):
            assert one.state_dict().keys() == other.state_dict().keys()
            assert not other.training
        elif isinstance(one, np.ndarray):
            assert np.array_equal(one, other)
            assert one.dtype == other.dtype
        else:
            assert (type(one), one) == (type(other), other), name


def test_files_of_former_versions_have_no_table(model, path):
    assert load(path, device="cpu").cluster_table_ is not None
    edited(path, lambda tree: tree.pop("occurrences"))
    loaded = load(path, device="cpu")
    assert loaded.cluster_table_ is None
    save(loaded.merge_clusters([(0, 1)]), path)
    assert_same(loaded, load(path, device="cpu"), pictures(1))


def test_the_parameter_device_is_the_one_of_now(path):
    assert load(path).device == "auto"


def test_a_loaded_model_can_be_named_saved_cloned_and_fitted_again(model, path):
    loaded = load(path, device="cpu").name_clusters({1: "road"})
    save(loaded, path)
    again = load(path, device="cpu")
    assert again.cluster_names_ == {0: "sky", 1: "road"}
    refitted = clone(again).fit(pictures())
    assert np.array_equal(refitted.predict(pictures()), fitted().predict(pictures()))


@pytest.mark.parametrize(
    "changes",
    [
        {
            "clusterer__training": Training(
                "random", max_iter=2, head="orthogonal", assignment="gumbel_softmax"
            )
        },
        {"clusterer__assign_labels": "kmeans", "clusterer__n_components": 2},
        {"clusterer__assign_labels": "cluster_qr"},
        {"clusterer__network": TokenAttention(None, 1, 2, 24)},
        {
            "clusterer__network": TokenAttention(16, 0),
            "clusterer__assign_labels": "kmeans_hidden",
        },
        {"clusterer__affinity": NeighborAffinity(20), "pixel_weight": 0.1},
        pytest.param(
            {"window_size": 32, "stride": 16, "image_size": 48, "flip": True},
            marks=pytest.mark.filterwarnings(LARGE_CLUSTER),
        ),
        {"scales": [1, 0.5], "refine": "guided"},
    ],
)
def test_all_networks_and_ways_of_seeing_come_back(changes, tmp_path):
    model = fitted(**changes)
    save(model, tmp_path / "m")
    loaded = load(tmp_path / "m", device="cpu")
    assert_same(model, loaded, pictures(1))
    assert plain(loaded.get_params()) == plain(model.get_params())
    assert loaded.score(pictures()) == model.score(pictures())


def half_and_half():
    """Black on one side, white on the other: too little for many clusters."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, 48:] = 255
    return image


@pytest.fixture(scope="module")
def with_empty_clusters():
    segmenter = DenseSegmenter(
        12,
        backbone="color_texture",
        clusterer=NeuralEigenSpectralClustering(assign_labels="kmeans_hidden"),
        random_state=0,
        device="cpu",
    )
    with pytest.warns(ConvergenceWarning, match="clusters have rows"):
        return segmenter.fit(half_and_half())


def test_clusters_without_tokens_are_not_in_the_file(with_empty_clusters, tmp_path):
    model = with_empty_clusters
    assert model.n_clusters_ < 12
    save(model, tmp_path / "m")
    assert_same(model, load(tmp_path / "m", device="cpu"), [half_and_half()])


def test_parameters_changed_after_the_fit_do_not_change_the_network(tmp_path):
    model = fitted().set_params(clusterer__hidden_sizes=(64,), window_size=16)
    save(model, tmp_path / "m")
    assert_same(model, load(tmp_path / "m", device="cpu"), pictures(1))


def test_files_hold_no_images_no_code_and_no_backbone(path):
    file = read_model(path)
    assert file.class_name == "DenseSegmenter"
    assert file.versions["torch"] == torch.__version__
    assert file.tree["parameters"]["n_clusters"] == 3
    assert file.tree["backbone"]["identity"].startswith("color_texture")
    assert file.tree["backbone"]["weights"] is None
    assert file.tree["cluster_names"] == {0: "sky", 1: "Straße"}


def test_what_is_not_plain_is_dropped_or_refused(tmp_path):
    model = fitted(callbacks=[BaseCallback()], random_state=np.random.RandomState(0))
    save(model, tmp_path / "m")
    loaded = load(tmp_path / "m", device="cpu")
    assert (loaded.callbacks, loaded.random_state) == (None, None)
    model.set_params(clusterer__training__lr=torch.tensor(0.1))
    with pytest.raises(TypeError, match=r"clusterer__training__lr is a Tensor.*set_pa"):
        save(model, tmp_path / "m")
    assert load(tmp_path / "m", device="cpu").n_clusters == 3


def test_paths_and_numbers_of_numpy_become_plain(tmp_path):
    model = fitted(
        feature_cache=tmp_path / "cache", clusterer__training__lr=np.float64(0.01)
    )
    save(model, tmp_path / "m")
    loaded = load(tmp_path / "m", device="cpu")
    assert loaded.feature_cache == str(tmp_path / "cache")
    assert type(loaded.clusterer.training.lr) is float


@pytest.mark.filterwarnings(LARGE_CLUSTER)
@pytest.mark.parametrize("are_set_later", [False, True])
def test_sizes_of_numpy_become_plain(are_set_later, tmp_path):
    sizes = {
        "image_size": np.int64(48),
        "window_size": np.int32(32),
        "stride": np.int16(16),
        "scales": (np.float32(1), np.float64(0.5)),
        "flip": np.bool_(True),
        "refine": "guided",
        "refine_radius": np.float32(1),
    }
    if are_set_later:
        model = fitted().set_params(**sizes)
    else:
        model = fitted(**sizes)
    save(model, tmp_path / "m")
    loaded = load(tmp_path / "m", device="cpu")
    assert_same(model, loaded, pictures(1))
    assert type(loaded.window_size) is int
    assert loaded.refine_radius == 1
    assert loaded._fingerprint() == model._fingerprint()


def test_a_backbone_of_ones_own_is_passed_again(tmp_path):
    own = Shrunk()
    model = fitted(backbone=own)
    save(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"Shrunk.*pass it as backbone="):
        load(tmp_path / "m", device="cpu")
    loaded = load(tmp_path / "m", backbone=own, device="cpu")
    assert loaded.backbone is own
    assert_same(model, loaded, pictures(1))
    for other in (Shrunk(seed=1), Shrunk(patch_size=16), lambda x: own(x) + 0.1):
        with pytest.raises(ModelFileError, match=r"pass the one of the fit as back"):
            load(tmp_path / "m", backbone=other, device="cpu")


@pytest.mark.parametrize(
    "change",
    [
        lambda probe: probe.long(),
        lambda probe: probe.double(),
        lambda probe: probe[None],
        lambda probe: probe[0],
        lambda probe: probe * torch.nan,
        lambda probe: probe.bool(),
        lambda probe: probe[:0],
    ],
)
def test_probes_that_no_save_wrote_are_refused(tmp_path, change):
    own = Shrunk()
    save(fitted(backbone=own), tmp_path / "m")

    def both(tree):
        tree["backbone"]["probe"] = change(tree["backbone"]["probe"])
        tree["backbone"]["identity"] = "other"

    edited(tmp_path / "m", both)
    with pytest.raises(ModelFileError):
        load(tmp_path / "m", backbone=own, device="cpu")


def test_a_callable_is_known_by_its_features_where_rounding_differs(tmp_path):
    own = Shrunk()
    model = fitted(backbone=own)
    save(model, tmp_path / "m")

    def rounded(images):
        return own(images) * (1 + 1e-4)

    loaded = load(tmp_path / "m", backbone=rounded, device="cpu")
    same = model.predict(pictures(1)[0]) == loaded.predict(pictures(1)[0])
    assert same.mean() > 0.99


def test_an_object_with_a_description_needs_not_be_passed(tmp_path):
    model = fitted(backbone=ColorTexture(patch_size=16))
    save(model, tmp_path / "m")
    loaded = load(tmp_path / "m", device="cpu")
    assert isinstance(loaded.backbone, ColorTexture)
    assert_same(model, loaded, pictures(1))


@pytest.mark.parametrize(
    ("brought", "message"),
    [
        ({"backbone": "color_texture"}, "names are in the file"),
        ({"backbone": Shrunk()}, "color_texture.*version of neuraleig"),
        ({"weights": "weights.pth"}, "no use for weights='weights.pth'"),
    ],
)
def test_what_a_model_does_not_need_is_refused(path, brought, message):
    with pytest.raises(ModelFileError, match=message):
        load(path, device="cpu", **brought)


def training():
    """Component of another kind, as files hold it."""
    return {"class": "Training", "parameters": {}}


# A small model of timm's own tests.
TIMM = "test_vit.r160_in1k"


@pytest.fixture(scope="module")
def drawn():
    pytest.importorskip("timm")
    return fitted(backbone=TimmBackbone(TIMM, pretrained=False), random_state=None)


def test_random_weights_come_back_without_being_stored(drawn, tmp_path):
    save(drawn, tmp_path / "m")
    assert (tmp_path / "m").stat().st_size < 2**20
    loaded = load(tmp_path / "m", device="cpu")
    assert loaded.backbone_.identity == drawn.backbone_.identity
    assert_same(drawn, loaded, pictures(1))


def test_weights_are_read_from_a_file_or_another(drawn, tmp_path):
    weights = tmp_path / "w.safetensors"
    save_file(drawn.backbone_.model.state_dict(), weights)
    model = fitted(backbone=TimmBackbone(TIMM, weights=weights, layers=(2, 5)))
    save(model, tmp_path / "m")
    assert_same(model, load(tmp_path / "m", device="cpu"), pictures(1))
    moved = weights.rename(tmp_path / "moved.safetensors")
    with pytest.raises(OSError, match=rf"{TIMM}.*pass weights="):
        load(tmp_path / "m", device="cpu")
    loaded = load(tmp_path / "m", device="cpu", weights=moved)
    assert (loaded.backbone.weights, loaded.backbone.layers) == (moved, (2, 5))
    assert_same(model, loaded, pictures(1))


def test_other_weights_are_refused(drawn, tmp_path):
    save(drawn, tmp_path / "m")
    state = drawn.backbone_.model.state_dict()
    state["norm.bias"] = state["norm.bias"] + 1
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(ModelFileError, match=TIMM):
        load(tmp_path / "m", weights=tmp_path / "w.safetensors", device="cpu")


def test_weights_of_a_timm_model_are_in_the_file_on_request(tmp_path, monkeypatch):
    pytest.importorskip("timm")
    import timm

    weights = tmp_path / "w.safetensors"
    torch.manual_seed(7)
    drawn = timm.create_model(TIMM, pretrained=False, num_classes=0)
    save_file(drawn.state_dict(), weights)
    model = fitted(backbone=TimmBackbone(TIMM, weights=weights, layers=(2, 5)))
    save(model, tmp_path / "m", include_backbone=True)
    size = sum(value.nbytes for value in drawn.state_dict().values())
    assert (tmp_path / "m").stat().st_size > size
    weights.unlink()
    made = []
    create = timm.create_model

    def recorded(*arguments, **options):
        made.append(options["pretrained"])
        return create(*arguments, **options)

    monkeypatch.setattr(timm, "create_model", recorded)
    loaded = load(tmp_path / "m", device="cpu")
    assert made and not any(made)
    assert loaded.backbone_.identity == model.backbone_.identity
    assert loaded.backbone.weights == str(weights)
    assert_same(model, loaded, pictures(1))
    # Again without them: they are looked for where they were.
    save(loaded, tmp_path / "n")
    with pytest.raises(OSError, match="pass weights="):
        load(tmp_path / "n", device="cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b["weights"].pop("norm.bias"), "weights are not those of"),
        (lambda b: b["weights"].update(more=torch.ones(1)), "are not those of"),
        (lambda b: b["weights"]["norm.bias"].fill_(torch.nan), "not finite"),
        (lambda b: b["weights"]["norm.bias"].fill_(2.0), "and this one is"),
        (lambda b: b["weights"].update({"norm.bias": torch.ones(9)}), "not those of"),
        # Larger than all that is in the file: never made.
        (
            lambda b: b["timm"]["settings"]["parameters"].update(
                name="vit_giant_patch14_224"
            ),
            "weights are not those of",
        ),
        (lambda b: b["timm"].update(more=1), "unknown 'more'"),
        (lambda b: b["timm"].update(settings=training()), "those of a Training"),
        (lambda b: b.update(timm=None), "damaged"),
        (lambda b: b.update(patch_size=10**9), "patch_size is 1000000000"),
    ],
)
def test_weights_that_no_save_included_are_refused(drawn, tmp_path, change, message):
    save(drawn, tmp_path / "m", include_backbone=True)
    edited(tmp_path / "m", lambda tree: change(tree["backbone"]))
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path / "m", device="cpu")


def test_weights_of_a_module_are_given_to_the_one_that_is_passed(tmp_path):
    model = fitted(backbone=Shrunk(seed=0))
    save(model, tmp_path / "m", include_backbone=True)
    with pytest.raises(ModelFileError, match=r"Shrunk.*pass it as backbone="):
        load(tmp_path / "m", device="cpu")
    other = Shrunk(seed=1)
    before = other.weight.detach().clone()
    loaded = load(tmp_path / "m", backbone=other, device="cpu")
    assert torch.equal(other.weight, before)
    assert_same(model, loaded, pictures(1))
    assert loaded._fingerprint() == model._fingerprint()
    # What is fitted next sees the same features.
    assert torch.equal(loaded.backbone.weight, model.backbone.weight)
    for wrong, message in (
        (Shrunk(patch_size=16), "pass the one of the fit"),
        (nn.AvgPool2d(8), r"weights do not fit.*pass the one of the fit"),
    ):
        with pytest.raises(ModelFileError, match=message):
            load(tmp_path / "m", backbone=wrong, device="cpu")


def test_weights_that_cannot_be_seen_are_not_included(model, tmp_path):
    hidden = Shrunk()
    by_function = fitted(backbone=lambda images: hidden(images))
    with pytest.raises(ValueError, match=r"include_backbone=True.*cannot be seen"):
        save(by_function, tmp_path / "m", include_backbone=True)
    assert list(tmp_path.iterdir()) == []
    # These have none.
    save(model, tmp_path / "m", include_backbone=True)
    assert_same(model, load(tmp_path / "m", device="cpu"), pictures(1))


WEIGHT = "network.label_head.weight"


def weights(tree):
    return tree["clusterer"]["network"]["weights"]


def counts(tree):
    return tree["occurrences"]["counts"]


def sizes(tree):
    return tree["clusterer"]["network"]["trunk"]["sizes"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: weights(t).pop(WEIGHT), f"without '{WEIGHT}'"),
        (lambda t: t.update(more=torch.ones(1)), "unknown 'more'"),
        (lambda t: weights(t)[WEIGHT].fill_(torch.nan), "not finite"),
        (lambda t: weights(t).update({WEIGHT: weights(t)[WEIGHT].double()}), "64"),
        (lambda t: weights(t).update({WEIGHT: weights(t)[WEIGHT][:1]}), "shape"),
        (lambda t: t.pop("groups"), "groups"),
        (lambda t: t["groups"].__iadd__(1), "groups"),
        (lambda t: t.pop("clusterer"), "clusterer"),
        (lambda t: t["clusterer"].update(more=1), "unknown 'more'"),
        (lambda t: t["clusterer"]["discretizer"].update(kind="dice"), "'dice'"),
        (lambda t: t.update(token_mean_=np.zeros(3)), "token_mean_"),
        (lambda t: t.update(token_mean_=np.zeros(3, "f4")), "one for its backbone"),
        (lambda t: t["token_scale_"].fill(0), "unit of its tokens is not positive"),
        (lambda t: sizes(t).update(n_features=3), "centres of 3 features"),
        (lambda t: sizes(t).update(hidden_sizes=[10**12]), "damaged"),
        (lambda t: sizes(t).update(hidden_sizes=[1] * 99), "layers of"),
        (lambda t: t["parameters"].update(speed=1), "no parameter 'speed'"),
        (lambda t: t["parameters"].update(n_clusters="9"), "n_clusters"),
        (lambda t: t["cluster_names"].update({7: "x"}), "names of clusters beyond"),
        (lambda t: t["cluster_names"].update({"0": "x"}), "numbers of clusters"),
        (lambda t: counts(t).fill(0), "tokens are not those of 3 clusters"),
        (
            lambda t: counts(t).__setitem__((0, 0), -1),
            "tokens are not those of 3 clusters",
        ),
        (lambda t: t["occurrences"].update(counts=np.ones((2, 4), int)), "of 3"),
        (lambda t: t["occurrences"].update(counts=np.ones((2, 3))), "counts is"),
        (lambda t: t["occurrences"].update(probabilities=np.ones((3, 2))), "of 3"),
        (lambda t: t["occurrences"].update(probabilities=-np.eye(3)), "of 3"),
        (lambda t: t["occurrences"].pop("probabilities"), "no 'probabilities'"),
        (lambda t: t.update(backbone=[]), "damaged"),
        (lambda t: t["backbone"].update(kind="cloud"), "'cloud'"),
        (lambda t: t["backbone"].update(identity="other"), "fitted|was other"),
        (lambda t: t["fit"].update(n_images_=None), "damaged"),
        (lambda t: t["fit"].update(n_images_=True), "n_images_ is True"),
        (lambda t: t["fit"].update(modularity_="x"), "modularity_ is 'x'"),
        (lambda t: t["fit"].update(more=1), "unknown 'more'"),
        (lambda t: t["clusterer"]["network"]["trunk"].update(kind="tokens"), "sizes"),
        (lambda t: t["clusterer"]["graph_eigenvalues_"].fill(np.inf), "finite"),
        (lambda t: weights(t)["scale"].fill_(0), "unit of its rows is not positive"),
        (lambda t: weights(t)["bound"].fill_(0), "bound of its rows is not positive"),
    ],
)
def test_states_that_no_save_wrote_are_refused(path, change, message):
    edited(path, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path, device="cpu")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_class_is_refused(path):
    edited(path, lambda tree: None, "Dog")
    with pytest.raises(ModelFileError, match=r"'Dog'.*DenseSegmenter"):
        load(path)


def test_a_file_cut_off_anywhere_or_changed_is_refused(path):
    whole = path.read_bytes()
    for length in (0, 1, 7, 8, 9, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            load(path)
    for at in range(8, len(whole), len(whole) // 40):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ModelFileError):
            load(path)
    path.write_bytes(b"\x89PNG" * 100)
    with pytest.raises(ModelFileError, match="no whole safetensors file"):
        load(path)


def test_weights_of_others_are_no_model(tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "m")
    with pytest.raises(ModelFileError, match="no model of neuraleig"):
        load(tmp_path / "m")


def test_files_that_are_not_there_are_errors_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(OSError, match="directory"):
        load(tmp_path)


def test_a_save_that_fails_leaves_the_file_as_it_was(model, path, monkeypatch):
    before = path.read_bytes()

    def full(self, *arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        save(model, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_only_fitted_estimators_of_known_classes_are_saved(tmp_path):
    class Mine(DenseSegmenter):
        pass

    with pytest.raises(NotFittedError):
        save(DenseSegmenter(), tmp_path / "m")
    for estimator in (Mine(), nn.Linear(1, 1)):
        with pytest.raises(TypeError, match=r"can be saved, and no"):
            save(estimator, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_unknown_devices_are_refused_first(path):
    with pytest.raises(ValueError, match="device='abacus'"):
        load(path, device="abacus")


@pytest.mark.gpu
def test_a_model_of_one_device_runs_on_another(path, model, tmp_path):
    there = load(path, device="cuda")
    assert there.device_.startswith("cuda")
    same = np.mean(there.predict(pictures()) == np.stack(model.predict(pictures())))
    assert same > 0.99
    save(there, tmp_path / "back")
    assert_same(model, load(tmp_path / "back", device="cpu"), pictures(1))


@pytest.mark.parametrize("window_size", [16, None])
def test_a_copy_with_other_windows_comes_back_too(model, path, window_size):
    other = model.with_windows(window_size)
    images = pictures(1)
    before = model.transform(images[0])
    assert not np.array_equal(other.transform(images[0]), before) or not window_size
    save(other, path)
    loaded = load(path, device="cpu")
    assert_same(other, loaded, images)
    assert (loaded.window_size, loaded.stride) == (window_size, None)
    assert np.array_equal(model.transform(images[0]), before)
    assert model.window_size == "auto"


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ((0,), "window_size"),
        ((2.5,), "window_size"),
        ((8, 9), "str"),
        ((None, 8), r"stride=8 has no meaning with window_size=None"),
    ],
)
def test_windows_that_are_none_are_refused(model, sizes, name):
    with pytest.raises(ValueError, match=name):
        model.with_windows(*sizes)
