"""What a page says of a model of images is what the model says."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from neuraleig.report import write_report
from neuraleig.report._images import labels_of_image
from neuraleig.segmentation import ImageWarning


def fields(page):
    """Name in the field of every cluster."""
    return {
        int(one["data-cluster"]): one["value"]
        for one in page.all("input")
        if "data-cluster" in one.attributes
    }


def opened(image):
    kind, content = image["src"].split(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize("refine", [None, "guided"])
@pytest.mark.parametrize("groups", [[], [[0, 2]]])
def test_labels_are_those_of_predict(segmenter, pictures, refine, groups):
    segmenter.set_params(refine=refine).merge_clusters(groups)
    for rgb in pictures:
        (probabilities,) = segmenter.predict_proba([rgb])
        found = labels_of_image(segmenter, rgb, probabilities)
        np.testing.assert_array_equal(found, segmenter.predict(rgb))


def test_sizes_are_pixels_and_add_up(page_of, segmenter, pictures):
    page = page_of(segmenter, pictures)
    table = page.one("section", id="sizes").table()
    labels = np.stack(segmenter.predict(pictures))
    counts = np.bincount(labels.ravel(), minlength=segmenter.n_clusters_)
    assert [int(line[1].replace(",", "")) for line in table] == counts.tolist()
    assert page.one("tfoot").all("td")[0].text == f"{2 * 48 * 64:,}"


def test_mean_probabilities_are_those_of_the_pixels(page_of, segmenter, pictures):
    page = page_of(segmenter, pictures)
    found = page.one("section", id="sizes").table()
    probabilities = [np.asarray(one) for one in segmenter.predict_proba(pictures)]
    largest = np.concatenate([one.max(axis=2).ravel() for one in probabilities])
    labels = np.concatenate([one.ravel() for one in segmenter.predict(pictures)])
    for cluster, line in enumerate(found):
        mean = largest[labels == cluster].mean()
        assert float(line[-1].strip("<> %")) == pytest.approx(100 * mean, abs=0.06)
    pictured = page.one("section", id="confidence").all("figcaption")
    named = [caption.one("bdi").text for caption in pictured]
    order = np.argsort([one.max(axis=2).mean() for one in probabilities])
    assert named == [f"image_{number:04d}" for number in order]


def test_every_cluster_has_crops_and_a_labelled_field(page_of, segmenter, pictures):
    segmenter.name_clusters({1: "wall"})
    page = page_of(segmenter, pictures, n_exemplars=2)
    assert fields(page) == {0: "", 1: "wall", 2: ""}
    for article in page.all("article"):
        field = article.one("input")
        assert article.one("label")["for"] == field["id"]
        assert str(field["data-cluster"]) in article.one("label").text
        crops = article.all("img")
        assert 1 <= len(crops) <= 2
        for crop in crops:
            assert opened(crop).size == (192, 192)
            assert crop["alt"]
    assert page.one("button")["type"] == "submit"


def test_images_of_every_cluster_are_counted(page_of, segmenter, pictures):
    plain = np.full((32, 32, 3), 20, np.uint8)
    given = [*pictures, plain]
    (table,) = page_of(segmenter, given).one("section", id="sizes").all("table")
    found = [row.all("td")[2].text for row in table.all("tr")[1:]]
    used = [set(np.unique(labels)) for labels in segmenter.predict(given)]
    counts = [sum(cluster in own for own in used) for cluster in range(3)]
    assert found == [*map(str, counts), str(len(given))]
    assert min(counts) < len(given)


def test_merged_clusters_have_one_field(page_of, segmenter, pictures):
    segmenter.name_clusters({2: "sky"}).merge_clusters([[0, 2]])
    assert fields(page_of(segmenter, pictures)) == {0: "sky", 1: ""}


def test_clusters_without_pixels_have_a_field_as_well(page_of, segmenter, pictures):
    plain = np.full((32, 32, 3), 20, np.uint8)
    page = page_of(segmenter, [plain])
    assert len(fields(page)) == 3
    n_used = len(np.unique(segmenter.predict(plain)))
    empty = [a for a in page.all("article") if "No pixel" in a.text]
    assert len(empty) == 3 - n_used > 0


def test_hostile_names_of_clusters_and_files_are_texts(
    page_of, segmenter, pictures, hostile, tmp_path
):
    folder = tmp_path / "<b>&amp;'\""
    folder.mkdir()
    for number, name in enumerate(["<script>x.png", '" onerror="alert(1).png']):
        Image.fromarray(pictures[number]).save(folder / name)
    for start in range(0, len(hostile), 3):
        names = dict(enumerate(hostile[start : start + 3]))
        segmenter.name_clusters(names)
        page = page_of(segmenter, folder)
        found = fields(page)
        assert len(page.all("script")) == 1
        assert not [a for one in page for a in one.attributes if a.startswith("on")]
        for cluster, name in names.items():
            if name.isprintable():
                # Whole, however long: the download must not shorten it.
                assert found[cluster] == name
        captions = page.one("section", id="confidence").all("bdi")
        assert {one.text for one in captions} == {
            "<script>x.png",
            '" onerror="alert(1).png',
        }


def test_of_more_images_some_are_drawn(page_of, segmenter, pictures):
    page = page_of(segmenter, pictures * 4, max_images=3)
    assert "3 images of 8" in page.one("section", id="sizes").text
    assert page.one("tfoot").all("td")[0].text == f"{3 * 48 * 64:,}"


def test_unreadable_images_are_left_out_with_a_warning(
    segmenter, pictures, tmp_path, read_page
):
    Image.fromarray(pictures[0]).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.warns(ImageWarning, match=r"bad\.png"):
        path = write_report(segmenter, tmp_path, tmp_path / "page.html")
    assert read_page(path).one("tfoot").all("td")[0].text == f"{48 * 64:,}"


def test_equal_inputs_give_equal_bytes(segmenter, pictures, tmp_path):
    pages = [
        write_report(segmenter, pictures, tmp_path / name).read_bytes() for name in "ab"
    ]
    assert pages[0] == pages[1]


def test_names_of_features_are_refused(segmenter, pictures, tmp_path):
    with pytest.raises(ValueError, match="feature_names"):
        write_report(segmenter, pictures, tmp_path / "p", feature_names=["a"])
    with pytest.raises(ValueError, match="empty"):
        write_report(segmenter, [], tmp_path / "p")
