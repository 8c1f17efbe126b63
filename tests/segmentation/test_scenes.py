"""Neighbours of tokens across scenes: what a scene is, and what it is good for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from neuraleig import DenseSegmenter
from neuraleig.affinity import GraphWarning, NeighborAffinity
from neuraleig.metrics import clustering_accuracy
from neuraleig.segmentation import Backbone, ClusterWarning
from neuraleig.segmentation._scenes import FEWEST_SCENES, scenes_of

SIDE = 10


def photographs(n_pictures, seed=0):
    """Features of pictures that have nothing in common, 10 by 10 tokens of 6."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n_pictures, 6, 4, 4, generator=generator)
    smooth = F.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")
    return list(smooth.permute(0, 2, 3, 1))


def film(n_frames, seed=1):
    """Frames of one camera."""
    generator = torch.Generator().manual_seed(seed)
    (first,) = photographs(1, seed)
    noise = torch.randn(n_frames, SIDE, SIDE, 6, generator=generator)
    return list(first + 0.3 * noise)


class TestScenes:
    def test_photographs_are_scenes_of_their_own(self):
        scenes = scenes_of(photographs(20), np.arange(20))
        assert len(set(scenes)) == 20

    @pytest.mark.parametrize("n_others", [8, 40])
    def test_a_film_is_one_scene(self, n_others):
        windows = film(6) + photographs(n_others)
        scenes = scenes_of(windows, np.arange(len(windows)))
        assert len(set(scenes[:6])) == 1
        assert len(set(scenes)) == n_others + 1

    def test_films_are_scenes_of_their_own(self):
        windows = [frame for seed in range(1, 10) for frame in film(3, seed)]
        scenes = scenes_of(windows, np.arange(27))
        assert (scenes.reshape(9, 3) == scenes[::3, None]).all()
        assert len(set(scenes)) == 9

    @pytest.mark.parametrize(("n_films", "n_frames"), [(1, 12), (2, 8), (3, 3)])
    def test_of_few_films_every_frame_is_a_scene(self, n_films, n_frames):
        windows = [frame for s in range(n_films) for frame in film(n_frames, s)]
        scenes = scenes_of(windows, np.arange(len(windows)))
        assert len(set(scenes)) == len(windows)

    def test_a_long_film_has_frames_for_scenes(self):
        windows = film(12) + photographs(10)
        assert len(set(scenes_of(windows, np.arange(22)))) == 22

    def test_windows_of_a_picture_are_one_scene(self):
        scenes = scenes_of(photographs(12), np.repeat([5, 3, 8], 4))
        assert len(set(scenes)) == 3
        assert all(len(set(scenes[i : i + 4])) == 1 for i in (0, 4, 8))

    def test_one_window_that_is_alike_joins_two_pictures(self):
        first, second = film(2)
        windows = [first, *photographs(17), second]
        scenes = scenes_of(windows, np.append(np.repeat(np.arange(9), 2), 9))
        assert scenes[0] == scenes[1] == scenes[-1]
        assert len(set(scenes)) == 9

    def test_a_tiny_picture_leaves_the_other_scenes_as_they_were(self):
        windows = film(4) + photographs(16)
        plain = scenes_of(windows, np.arange(20))
        tiny = photographs(1, 7)[0][:1, :1]
        np.testing.assert_array_equal(
            scenes_of([*windows, tiny], np.arange(21))[:20], plain
        )

    def test_order_and_unit_change_nothing(self):
        windows = film(6) + photographs(14)
        order = np.random.default_rng(0).permutation(20)
        plain = scenes_of(windows, np.arange(20))
        moved = scenes_of([3.0 * windows[i] for i in order], np.arange(20))
        assert (
            (moved[:, None] == moved) == (plain[order][:, None] == plain[order])
        ).all()

    @pytest.mark.parametrize("size", [(1, 1), (1, 30), (3, 2)])
    def test_windows_of_few_tokens(self, size):
        windows = [window[: size[0], : size[1]] for window in photographs(9)]
        windows[4] = photographs(1, 7)[0]
        assert len(scenes_of(windows, np.arange(9))) == 9

    def test_blank_windows_are_alike_in_nothing(self):
        windows = [torch.zeros(4, 4, 3)] * 9
        assert len(set(scenes_of(windows, np.arange(9)))) == 9


class Things(Backbone):
    """Features of red, green and blue things, in a light that only the picture has."""

    patch_size, n_channels, identity = 8, (16,), "things in a light"

    def forward(self, images):
        colors = F.avg_pool2d(images, 8)
        thing = F.one_hot(colors.argmax(dim=1), 3).permute(0, 3, 1, 2).float()
        light = colors.sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
        angles = torch.linspace(0.0, 40.0, 13).reshape(1, 13, 1, 1) * light
        return [
            torch.cat(
                [
                    thing,
                    2
                    * torch.sin(angles).expand_as(colors[:, :1].expand(-1, 13, -1, -1)),
                ],
                dim=1,
            )
        ]


def pictures_of_things(n_pictures):
    """Pictures (64, 64, 3) of red, green and blue stripes, and their masks."""
    generator = np.random.default_rng(0)
    images, masks = [], []
    for number in range(n_pictures):
        things = np.repeat(generator.permutation(np.arange(8) % 3), 8)
        mask = np.tile(things, (64, 1)) if number % 2 else np.tile(things[:, None], 64)
        image = np.full((64, 64, 3), 30 + 5 * number)
        image[np.arange(64)[:, None], np.arange(64), mask] += 80
        images.append(image.astype(np.uint8))
        masks.append(mask)
    return images, masks


def fitted(images, **changes):
    model = DenseSegmenter(3, backbone=Things(), device="cpu", random_state=0)
    return model.set_params(**changes).fit(images)


def accuracy(model, images, masks):
    labels = np.concatenate([found.ravel() for found in model.predict(images)])
    return clustering_accuracy(np.concatenate([m.ravel() for m in masks]), labels)


class TestSegmenter:
    def test_clusters_are_things_and_not_pictures(self):
        images, masks = pictures_of_things(12)
        nearest = {"clusterer__affinity": NeighborAffinity(40, across_groups=False)}
        with pytest.warns(GraphWarning, match="connected components"):
            pictures = fitted(images, **nearest)
        assert accuracy(pictures, images, masks) < 0.7
        found = fitted(images, clusterer__n_neighbors=40)
        assert accuracy(found, images, masks) > 0.95

    @pytest.mark.parametrize(
        ("n_pictures", "changes", "expected"),
        [
            (FEWEST_SCENES, {}, True),
            (FEWEST_SCENES - 1, {}, False),
            (FEWEST_SCENES, {"clusterer__affinity__n_neighbors": 12}, True),
            (FEWEST_SCENES, {"clusterer__affinity__across_groups": False}, False),
            (3, {"clusterer__affinity__across_groups": True}, True),
        ],
    )
    def test_it_is_across_where_pictures_are_enough(
        self, n_pictures, changes, expected
    ):
        images, _ = pictures_of_things(n_pictures)
        model = fitted(images, **changes)
        assert model.clusterer_.affinity_.affinity.across_groups is expected

    def test_a_picture_with_most_tokens_has_neighbours_of_its_own(self):
        images, _ = pictures_of_things(9)
        images = [np.tile(images[0], (4, 4, 1)), *(image[:16, :16] for image in images)]
        with pytest.warns(ClusterWarning):
            model = fitted(images)
        assert model.clusterer_.affinity_.affinity.across_groups is False

    def test_few_new_pictures_can_be_scored(self):
        images, _ = pictures_of_things(10)
        model = fitted(images)
        scores = [model.score(images[:n]) for n in (1, 2, 10)]
        assert np.isfinite(scores).all()
