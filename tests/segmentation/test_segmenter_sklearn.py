"""The segmenter among scikit-learn's tools, on lists of images."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_clusterer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils import get_tags

from neuraleig import DenseSegmenter
from neuraleig.networks import TokenAttention
from neuraleig.segmentation.images._image_files import write_image


def test_clones_are_unfitted_and_of_the_same_parameters(shared):
    cloned = clone(shared)
    assert cloned.get_params() == shared.get_params()
    assert not hasattr(cloned, "eigenfunctions_")


def test_a_clone_is_fitted_to_the_same_model(shared, images, assert_same_model):
    assert_same_model(clone(shared).fit(images), shared)


def test_parameters_are_set_by_name():
    model = DenseSegmenter().set_params(n_clusters=3, pixel_weight=0.1)
    assert (model.n_clusters, model.pixel_weight) == (3, 0.1)
    with pytest.raises(ValueError, match="n_cluster"):
        model.set_params(n_cluster=3)


def test_what_is_printed_are_changed_parameters():
    printed = repr(DenseSegmenter(3, backbone="color_texture"))
    assert printed == "DenseSegmenter(backbone='color_texture', n_clusters=3)"


@pytest.mark.parametrize("copied", ["pickle", "joblib", "deepcopy"])
def test_copies_predict_the_same(shared_windowed, images, copied):
    if copied == "pickle":
        found = pickle.loads(pickle.dumps(shared_windowed))
    elif copied == "deepcopy":
        found = copy.deepcopy(shared_windowed)
    else:
        file = io.BytesIO()
        joblib.dump(shared_windowed, file)
        file.seek(0)
        found = joblib.load(file)
    for one, other in zip(
        found.predict(images), shared_windowed.predict(images), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert found.score(images) == shared_windowed.score(images)


def test_fit_returns_the_estimator(make_segmenter, images):
    model = make_segmenter()
    assert model.fit(images[:1]) is model


def test_fit_sets_no_parameter(shared, make_segmenter):
    assert shared.get_params() == make_segmenter().get_params()


@pytest.mark.parametrize(
    "call",
    [
        lambda model, images: model.predict(images),
        lambda model, images: model.iter_predict(images),
        lambda model, images: model.predict_proba(images),
        lambda model, images: model.transform(images),
        lambda model, images: model.score(images),
        lambda model, images: model.contact_sheet(images),
        lambda model, images: model.match(images, images),
        lambda model, images: model.name_clusters({0: "sky"}),
        lambda model, images: model.merge_clusters([(0, 1)]),
    ],
)
def test_it_must_be_fitted_first(make_segmenter, images, call):
    with pytest.raises(NotFittedError):
        call(make_segmenter(), images)


def test_tags_say_what_it_takes(make_segmenter):
    model = make_segmenter()
    assert is_clusterer(model)
    tags = get_tags(model).input_tags
    assert not tags.two_d_array
    assert tags.three_d_array
    assert tags.string


def test_a_search_without_masks_takes_the_best_modularity(make_segmenter, images):
    search = GridSearchCV(make_segmenter(), {"n_clusters": [1, 2]}, cv=2)
    search.fit(images)
    assert search.best_params_ == {"n_clusters": 2}
    one, two = search.cv_results_["mean_test_score"]
    # A single cluster has the modularity 0.
    assert one == pytest.approx(0, abs=1e-6)
    assert 0.2 < two < 1
    assert len(search.predict(images)) == len(images)


def test_a_search_with_masks_takes_the_best_iou(make_segmenter, images, masks):
    search = GridSearchCV(make_segmenter(), {"n_clusters": [1, 2]}, cv=2)
    search.fit(images, masks)
    assert search.best_params_ == {"n_clusters": 2}
    one, two = search.cv_results_["mean_test_score"]
    assert one < 0.5 < two


def test_a_search_over_nested_names(make_segmenter, images, masks):
    grid = {
        "clusterer__n_neighbors": [3, 64],
        "clusterer__training__max_iter": [0, 2],
        "clusterer__network": ["mlp", TokenAttention(16, 1, 2)],
    }
    search = GridSearchCV(make_segmenter(), grid, cv=2).fit(images, masks)
    assert len(search.cv_results_["params"]) == 8
    assert search.best_params_["clusterer__n_neighbors"] == 64
    assert search.best_score_ > 0.75
    # Nothing is set on the one that was passed.
    assert search.estimator.clusterer is None


def test_folds_of_files(make_segmenter, images, tmp_path):
    pytest.importorskip("PIL")
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        write_image(path, image)
    model = make_segmenter()
    of_files = cross_val_score(model, paths, cv=2)
    np.testing.assert_array_equal(of_files, cross_val_score(model, images, cv=2))
