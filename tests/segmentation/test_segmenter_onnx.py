"""ONNX models of segmenters say of tokens and images what the segmenters say."""

import copy
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from neuraleig import export_onnx
from neuraleig.networks import TokenAttention
from neuraleig.segmentation import TimmBackbone
from neuraleig.segmentation._pixel_probabilities import merged_scores
from neuraleig.segmentation.backbones import extract
from neuraleig.segmentation.inference import Lattice, labels_from_scores

CPU = torch.device("cpu")
# Scores of heads that are solved for are about 100, and features have 16 bits.
CLOSE = {"rtol": 1e-4, "atol": 1e-3}
OUTPUTS = ["labels", "probabilities", "scores", "functions"]


@pytest.fixture
def run(tmp_path):
    """Exporter and runner: a function of an input, to a dict of outputs."""

    def export(segmenter, **options):
        path = tmp_path / "model.onnx"
        export_onnx(segmenter, path, **options)
        single = onnxruntime.SessionOptions()
        single.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            path, single, providers=["CPUExecutionProvider"]
        )
        name = session.get_inputs()[0].name
        names = [output.name for output in session.get_outputs()]
        return lambda given: dict(
            zip(names, session.run(None, {name: given}), strict=True)
        )

    return export


def windows(segmenter, n_windows, rows, columns):
    """Images of noise in bytes."""
    patch = segmenter.backbone_.patch_size
    shape = n_windows, 3, rows * patch, columns * patch
    generator = torch.Generator().manual_seed(rows)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@torch.no_grad()
def assert_same(found, segmenter, images):
    """What is found of the tokens of windows is what the segmenter says of them."""
    seen = images.float() / 255
    scores = merged_scores(segmenter._score_windows(seen), segmenter._groups)
    assert list(found) == OUTPUTS
    np.testing.assert_allclose(found["scores"], scores, **CLOSE)
    functions = segmenter._evaluate_windows(seen)
    np.testing.assert_allclose(found["functions"], functions, **CLOSE)
    np.testing.assert_allclose(
        found["probabilities"], scores.softmax(dim=3), rtol=1e-3, atol=1e-5
    )
    best = scores.sort(dim=3).values
    clear = (best[..., -1] - best[..., -2] > 1e-4).numpy()
    assert clear.mean() > 0.99
    assert found["labels"].dtype == np.int64
    np.testing.assert_array_equal(
        found["labels"][clear], scores.argmax(dim=3).numpy()[clear]
    )


@pytest.mark.parametrize(
    "options",
    [
        {"clusterer__assign_labels": "kmeans"},
        {"clusterer__network": TokenAttention(16, 2, 2)},
        {
            "clusterer__network": TokenAttention(None, 1, 2),
            "clusterer__assign_labels": "kmeans_hidden",
            "clusterer__training__head": "orthogonal",
        },
    ],
    ids=["kmeans", "attention", "orthogonal"],
)
def test_tokens_of_windows_of_any_size(options, make_segmenter, images, run):
    segmenter = make_segmenter(4, **options).fit(images)
    call = run(segmenter)
    for size in ((1, 6, 8), (3, 2, 9), (1, 1, 1)):
        seen = windows(segmenter, *size)
        features = extract(segmenter.backbone_, seen.float() / 255, CPU)
        assert_same(call(features.numpy()), segmenter, seen)


def test_unions_of_clusters_and_their_names(windowed, run, tmp_path):
    assert windowed.n_clusters_ == 5
    windowed.merge_clusters([[3, 0], [4, 2]]).name_clusters({1: "sky", 2: "größe"})
    call = run(windowed)
    seen = windows(windowed, 2, 4, 4)
    features = extract(windowed.backbone_, seen.float() / 255, CPU).numpy()
    assert_same(call(features), windowed, seen)
    proto = onnx.load(tmp_path / "model.onnx")
    properties = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(properties["cluster_names"]) == {"1": "sky", "2": "größe"}
    expected = {
        "class": "DenseSegmenter",
        "n_clusters": "3",
        "n_features": str(features.shape[-1]),
        "patch_size": "8",
        "window_size": "32",
        "image_size": "null",
        "backbone": windowed.backbone_.identity,
    }
    assert expected.items() <= properties.items()
    axes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (proto.graph.input[0], proto.graph.output[0])
    ]
    open_axes = ["n_windows", "rows", "columns"]
    assert axes == [[*open_axes, features.shape[-1]], open_axes]


def test_numbers_of_numpy_become_plain(shared, run, tmp_path):
    segmenter = copy.deepcopy(shared).set_params(
        image_size=np.int64(48),
        window_size=np.int32(32),
        scales=(np.float32(1), 0.5),
        flip=np.bool_(True),
        refine="guided",
        refine_radius=np.float32(2),
    )
    run(segmenter)
    properties = onnx.load(tmp_path / "model.onnx").metadata_props
    found = {entry.key: entry.value for entry in properties}
    names = "image_size", "window_size", "scales", "flip", "refine_radius"
    assert [json.loads(found[n]) for n in names] == [48, 32, [1.0, 0.5], True, 2.0]


def test_an_image_from_its_bytes_to_the_labels_of_its_pixels(shared, images, run):
    call = run(shared, include_backbone=True, dtype="uint8")
    for image in images[:3]:
        scores = call(image.transpose(2, 0, 1)[None].copy())["scores"][0]
        lattice = Lattice.of(*image.shape[:2], shared.backbone_.patch_size)
        found = labels_from_scores(torch.from_numpy(scores), lattice)
        # Interpolated scores may tie.
        assert (found == shared.predict(image)).mean() > 0.999


# Small: onnxscript folds the positions of one size by loops of Python.
@pytest.mark.parametrize("size", [None, (16, 48)])
def test_a_transformer_of_timm(size, make_segmenter, images, run):
    segmenter = make_segmenter(
        3, backbone=TimmBackbone("test_vit", pretrained=False)
    ).fit(images)
    call = run(segmenter, include_backbone=True, image_size=size)
    sizes = [(1, 1, 3), (3, 1, 3)]
    if size is None:
        sizes += [(3, 6, 8), (2, 2, 9), (1, 1, 5)]
    for shape in sizes:
        seen = windows(segmenter, *shape)
        assert_same(call((seen.float() / 255).numpy()), segmenter, seen)


def patches(images):
    """Backbone of one's own."""
    return [F.avg_pool2d(images, 8), F.max_pool2d(images, 8)]


def patches_of_one_size(images):
    """Backbone that makes numbers of the sizes of its images."""
    return F.avg_pool2d(images, 8) * float(images.shape[2] + 1) ** 0.001


def patches_by_value(images):
    """Backbone whose operations the values decide."""
    return F.avg_pool2d(images, 8) * (1.0 if bool(images.sum() > 0) else 2.0)


def test_a_backbone_of_ones_own(make_segmenter, images, run):
    segmenter = make_segmenter(2, backbone=patches).fit(images)
    call = run(segmenter, include_backbone=True)
    seen = windows(segmenter, 2, 5, 3)
    assert_same(call((seen.float() / 255).numpy()), segmenter, seen)


def test_a_backbone_for_one_size_needs_it(make_segmenter, images, run, tmp_path):
    segmenter = make_segmenter(2, backbone=patches_of_one_size).fit(images)
    with pytest.raises(ValueError, match=r"Pass image_size=\(height, width\)"):
        run(segmenter, include_backbone=True)
    assert not list(tmp_path.iterdir())
    call = run(segmenter, include_backbone=True, image_size=(48, 64))
    seen = windows(segmenter, 2, 6, 8)
    assert_same(call((seen.float() / 255).numpy()), segmenter, seen)


def test_a_backbone_that_no_graph_can_be_is_refused(make_segmenter, images, run):
    segmenter = make_segmenter(2, backbone=patches_by_value).fit(images)
    with pytest.raises(ValueError, match=r"backbone callable/patches_by_value.*Leave"):
        run(segmenter, include_backbone=True, image_size=(48, 64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "uint8"}, "dtype='uint8' is not supported .* 'float32'"),
        ({"include_backbone": True, "dtype": "float64"}, "'float32', 'uint8'"),
        ({"image_size": (48, 64)}, "pass include_backbone=True"),
        ({"include_backbone": True, "image_size": 48}, "two positive multiples"),
        ({"include_backbone": True, "image_size": (48, 60)}, "the patch size 8"),
        ({"include_backbone": True, "image_size": (0, 64)}, "two positive multiples"),
        ({"include_backbone": True, "image_size": (48.0, 64)}, "two positive"),
    ],
)
def test_options_that_do_not_suit_are_refused(options, message, shared, run):
    with pytest.raises(ValueError, match=message):
        run(shared, **options)
