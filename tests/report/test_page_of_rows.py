"""What a page says of a model of rows is what the model says."""

import base64
import copy
import functools
import hashlib
import re
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import (
    DenseSegmenter,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    load,
    save,
)
from neuraleig.plotting import ClusterMapDisplay
from neuraleig.report import write_report
from neuraleig.report._page import shown
from neuraleig.training import Training


def number(text):
    return int(text.replace(",", ""))


def row_numbers(article):
    """Rows at the head of the table of a cluster."""
    heads = (cell.text for cell in article.all("th", scope="col"))
    return [number(head.removeprefix("row ")) for head in heads if head[:4] == "row "]


def test_sizes_are_those_of_the_labels_and_add_up(page_of, clustering, rows):
    page = page_of(clustering, rows)
    table = page.one("section", id="sizes").table()
    sizes = [number(size) for _, size, _, _ in table]
    assert sizes == np.bincount(clustering.predict(rows)).tolist()
    foot = page.one("tfoot")
    assert foot.all("td")[0].text == "150"
    shares = [float(share.rstrip(" %")) for _, _, share, _ in table]
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_clusters_have_their_names(page_of, clustering, rows):
    named = copy.copy(clustering).name_clusters({1: "<b>gold</b>"})
    page = page_of(named, rows)
    titles = [article.one("h3").text for article in page.all("article")]
    assert titles == ["Cluster 0", "Cluster 1 <b>gold</b>", "Cluster 2"]
    table = page.one("section", id="sizes").table()
    assert [cells[0] for cells in table] == ["0", "1 <b>gold</b>", "2"]
    doubtful = page.one("section", id="confidence").table()
    for _, label, following, *_ in doubtful:
        for cell in (label, following):
            assert cell.startswith("1 <b>gold</b> (") == cell.startswith("1")
    assert any(cell.startswith("1") for row in doubtful for cell in row[1:3])


def test_the_agreement_with_a_former_model_is_a_fact(page_of, clustering, rows):
    aligned = clone(clustering).fit(rows, align_to=clustering)
    facts = page_of(aligned, rows).one("section", id="model").text
    assert "Agreement with the former model1" in facts
    plain = page_of(clustering, rows).one("section", id="model").text
    assert "former model" not in plain


def test_every_cluster_has_its_section_and_every_link_its_target(
    page_of, clustering, rows
):
    page = page_of(clustering, rows)
    articles = [one["id"] for one in page.all("article")]
    assert articles == ["cluster-0", "cluster-1", "cluster-2"]
    targets = {one["id"] for one in page if "id" in one.attributes}
    links = [a["href"] for a in page.all("a")]
    assert {link.removeprefix("#") for link in links} <= targets
    for article in page.all("article"):
        assert f"#{article['id']}" in links


def test_typical_rows_are_rows_of_their_cluster_with_their_values(
    page_of, clustering, rows
):
    names = [f"column {n}" for n in range(12)]
    page = page_of(clustering, rows, feature_names=names, n_exemplars=4, n_features=5)
    labels = clustering.predict(rows)
    for cluster, article in enumerate(page.all("article")):
        found = row_numbers(article)
        assert len(set(found)) == 4
        assert set(labels[found]) == {cluster}
        table = article.table()
        assert len(table) == 5
        for name, mean, median, mean_of_all, _, *values in table:
            column = rows[:, names.index(name)]
            own = column[labels == cluster]
            expected = [own.mean(), np.median(own), column.mean(), *column[found]]
            shown_values = [
                float(v.replace(",", "")) for v in (mean, median, mean_of_all, *values)
            ]
            # Means have the decimals of two digits of the deviation.
            tolerance = column.std() / 10
            np.testing.assert_allclose(
                shown_values, expected, rtol=1e-3, atol=tolerance
            )


def test_the_features_shown_are_those_that_differ_most(page_of, clustering, rows):
    page = page_of(clustering, rows, n_features=3)
    labels = clustering.predict(rows)
    for cluster, article in enumerate(page.all("article")):
        means = rows[labels == cluster].mean(axis=0)
        differences = (means - rows.mean(axis=0)) / rows.std(axis=0)
        best = np.argsort(-np.abs(differences))[:3]
        table = article.table()
        assert [line[0] for line in table] == [f"feature {n}" for n in best]
        found = [float(line[4]) for line in table]
        np.testing.assert_allclose(found, differences[best], atol=0.006)


def test_rows_in_doubt_are_the_least_probable(page_of, clustering, rows):
    page = page_of(clustering, rows)
    region = page.one("div", aria_label="Rows with the lowest probabilities")
    found = [number(line[0]) for line in region.table()]
    largest = clustering.predict_proba(rows).max(axis=1)
    np.testing.assert_array_equal(found, np.argsort(largest, kind="stable")[:10])


def test_typical_rows_are_looked_for_among_as_many_as_asked(page_of, clustering, rows):
    page = page_of(clustering, rows, max_rows=20, n_exemplars=50)
    found = [row for article in page.all("article") for row in row_numbers(article)]
    # The surer half of every cluster.
    assert 10 <= len(found) == len(set(found)) <= 20
    assert "drawn at random from 150" in page.one("section", id="clusters").text
    assert page.one("tfoot").all("td")[0].text == "150"
    again = page_of(clustering, rows, max_rows=20, n_exemplars=50, random_state=1)
    assert found != [
        r for article in again.all("article") for r in row_numbers(article)
    ]


def test_the_model_is_described(page_of, clustering, rows):
    page = page_of(clustering, rows, title="Of blobs", date="2025-01-31")
    assert page.one("title").text == "Of blobs"
    assert page.one("span", class_="date").text == "2025-01-31"
    facts = {
        one.one("dt").text: one.one("dd").text
        for one in page.all("div")
        if one.all("dt") and not one.all("div")
    }
    assert facts["Class"] == "NeuralEigenSpectralClustering"
    assert facts["Training rows"] == "150"
    changed = [
        row.one("code").text if len(row.all("code")) == 1 else row.all("code")[0].text
        for row in page.all("tr", class_="changed")
    ]
    assert changed == ["n_clusters", "training", "random_state"]
    parameters = page.all("table", class_="parameters")
    listed = [line[0] for table in parameters for line in table.table()]
    own = set(clustering.get_params(deep=False))
    assert set(listed) == own - {"verbose", "device"}


def test_no_date_is_made_up(page_of, clustering, rows):
    page = page_of(clustering, rows)
    assert page.all("span", class_="date") == []
    assert "neuraleig " in page.one("footer").text


def test_equal_inputs_give_equal_bytes_whatever_style_is_set(
    clustering, rows, tmp_path
):
    pages = []
    with mpl.rc_context(
        {"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}
    ):
        before = dict(mpl.rcParams)
        for name in ("a", "b"):
            path = write_report(clustering, rows, tmp_path / name)
            pages.append(path.read_bytes())
        assert dict(mpl.rcParams) == before
    pages.append(write_report(clustering, rows, tmp_path / "c").read_bytes())
    assert pages[0] == pages[1] == pages[2]


def test_parts_of_rows_give_the_page_of_all_rows(clustering, rows, tmp_path):
    whole = write_report(clustering, rows, tmp_path / "whole").read_bytes()
    parts = (rows[start : start + 40] for start in range(0, 150, 40))
    assert write_report(clustering, parts, tmp_path / "parts").read_bytes() == whole
    for same in (rows.tolist(), sp.csr_matrix(rows), [sp.coo_array(rows)]):
        found = write_report(clustering, same, tmp_path / "same").read_bytes()
        assert found == whole


def test_the_page_loads_nothing_and_lets_nothing_be_loaded(
    page_of, clustering, rows, tmp_path
):
    page = page_of(clustering, rows)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "://" not in text
    for one in page:
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            address = one.attributes.get(name, "#")
            assert address.startswith(("#", "data:")), (one.tag, address)
    assert page.all("script") == []
    policy = page.one("meta", http_equiv="Content-Security-Policy")["content"]
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy


def test_figures_of_a_page_do_not_share_identifiers(page_of, clustering, rows):
    page = page_of(clustering, rows)
    found = [one["id"] for one in page if "id" in one.attributes]
    assert len(found) == len(set(found))
    used = set()
    for one in page:
        for value in one.attributes.values():
            used |= set(re.findall(r"url\(#([^)]+)\)", value or ""))
        if one.tag == "use":
            used.add(one["xlink:href"].removeprefix("#"))
    assert used
    assert used <= set(found)
    assert len(page.all("svg")) == 4


def safe(page):
    """Check that texts have made no elements and no attributes."""
    allowed = set(
        "html head meta link title style body a header h1 h2 h3 p span nav ul "
        "ol li main section dl div dt dd details summary bdi table thead tbody "
        "tfoot tr th td code pre figure figcaption br article footer svg g path "
        "defs use text tspan clippath rect img form label input noscript button "
        "script image".split()
    )
    for one in page:
        assert one.tag in allowed, one.tag
        assert not [name for name in one.attributes if name.startswith("on")]
    return page


def test_hostile_names_of_features_are_texts(page_of, hostile_frame, hostile):
    model = NeuralEigenSpectralClustering(
        3, training=Training(max_iter=0), random_state=0
    )
    model.fit(hostile_frame)
    page = safe(page_of(model, hostile_frame, n_features=12, title=hostile[0]))
    assert page.one("h1").text == hostile[0]
    names = [one.text for one in page.one("ol").all("bdi")]
    assert names == [" ".join(shown(name).split()) for name in hostile]
    table = page.all("article")[0].table()
    assert {line[0] for line in table} == set(names)
    # Those that are short and of one line are there as they are.
    assert set(hostile[:9]) <= set(names)
    assert max(map(len, names)) == 120


def test_hostile_parameters_are_texts(page_of, rows, hostile):
    model = NeuralEigenSpectralClustering(
        3, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    model.set_params(checkpoint=hostile[0], device=hostile[1], callbacks=[KMeans()])
    page = safe(page_of(model, rows))
    values = [row.all("code")[1].text for row in page.all("tr", class_="changed")]
    assert repr(hostile[0]) in values
    assert "[KMeans()]" in values


def affinity(X, Y):
    return np.exp(-((X[:, None] - Y[None]) ** 2).sum(axis=2))


@pytest.mark.parametrize("kernel", [affinity, functools.partial(affinity)])
def test_functions_among_parameters_are_named_without_addresses(kernel, rows, page_of):
    model = NeuralEigenSpectralClustering(
        3, affinity=kernel, training=Training(max_iter=2, init="random"), random_state=0
    ).fit(rows / rows.std(axis=0))
    page = page_of(model, rows / rows.std(axis=0))
    values = [row.all("code")[1].text for row in page.all("tr", class_="changed")]
    assert any(f"{__name__}.affinity" in value for value in values)
    assert not any("0x" in value for value in values)
    # Some steps, and learned eigenvalues in whatever order.
    assert page.one("section", id="training").all("svg")


def test_a_pipeline_shows_rows_as_they_come(page_of, rows):
    model = make_pipeline(
        StandardScaler(),
        NeuralEigenSpectralClustering(3, training=Training(max_iter=0), random_state=0),
    ).fit(rows)
    page = page_of(model, rows)
    assert "Pipeline of StandardScaler" in page.one("section", id="model").text
    article = page.all("article")[0]
    line = article.table()[0]
    column = rows[:, int(line[0].removeprefix("feature "))]
    values = [float(value.replace(",", "")) for value in line[5:]]
    np.testing.assert_allclose(values, column[row_numbers(article)], rtol=1e-3)


def test_a_pipeline_may_take_its_columns_by_their_names(page_of, rows):
    frame = pd.DataFrame(rows, columns=[f"column {n}" for n in range(12)])
    names = ["column 3", "column 5", "column 8"]
    model = make_pipeline(
        make_column_transformer((StandardScaler(), names)),
        NeuralEigenSpectralClustering(3, training=Training(max_iter=0), random_state=0),
    ).fit(frame)
    page = page_of(model, frame)
    assert len(page.all("article")) == 3
    assert page.one("section", id="map").all("svg")


def test_a_loaded_pipeline_has_the_same_page(rows, tmp_path):
    frame = pd.DataFrame(rows, columns=[f"column {n}" for n in range(12)])
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["column 3", "column 5"])),
        NeuralEigenSpectralClustering(3, training=Training(max_iter=0), random_state=0),
    ).fit(frame)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model", device="cpu")
    pages = [
        write_report(made, frame, tmp_path / f"{number}.html").read_bytes()
        for number, made in enumerate((model, loaded))
    ]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("kind", ["clustering", "embedding"])
def test_the_map_is_that_of_all_functions(kind, rows, monkeypatch, tmp_path):
    kinds = {
        "clustering": NeuralEigenSpectralClustering,
        "embedding": NeuralSpectralEmbedding,
    }
    model = kinds[kind](4, training=Training(max_iter=0), random_state=0).fit(rows)
    drawn = []

    def keep(functions, labels, **options):
        drawn.append((functions, labels))

    monkeypatch.setattr(ClusterMapDisplay, "from_predictions", keep)
    write_report(model, rows, tmp_path / "page.html")
    ((functions, labels),) = drawn
    # The clustering returns the constant function too.
    first = 1 if kind == "clustering" else 0
    np.testing.assert_array_equal(functions, model.transform(rows)[:, first:])
    if kind == "clustering":
        np.testing.assert_array_equal(labels, model.predict(rows))


def test_without_functions_but_the_constant_no_map_is_drawn(page_of, rows):
    model = NeuralEigenSpectralClustering(
        3, n_components=1, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    page = page_of(model, rows)
    assert len(page.all("article")) == 3
    assert "map" not in [one["id"] for one in page.all("section")]


def test_an_embedding_has_no_clusters(page_of, rows):
    model = NeuralSpectralEmbedding(
        3, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    page = page_of(model, rows)
    assert page.all("article") == []
    sections = [one["id"] for one in page.all("section")]
    assert sections == ["map", "spectrum", "training", "model"]


def test_two_clusters_have_one_eigenfunction_to_be_drawn(page_of, rows):
    model = NeuralEigenSpectralClustering(
        2, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    assert len(page_of(model, rows).all("article")) == 2
    model = NeuralEigenSpectralClustering(
        1, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    page = page_of(model, rows)
    assert len(page.all("article")) == 1
    assert page.all("div", aria_label="Rows with the lowest probabilities") == []


def test_a_curve_has_a_section(page_of, rows, clustering):
    model = NeuralEigenSpectralClustering(
        "auto", max_clusters=4, training=Training(max_iter=0), random_state=0
    ).fit(rows)
    page = page_of(model, rows)
    best = f"{model.cluster_curve_.best} has the largest strength"
    assert best in page.one("section", id="curve").text
    assert "preferred by the curve" in page.one("section", id="model").text
    page = page_of(clustering, rows)
    assert page.all("section", id="curve") == []
    assert "preferred by" not in page.one("section", id="model").text


def test_clusters_without_rows_say_so(page_of, clustering, rows):
    labels = clustering.predict(rows)
    page = page_of(clustering, rows[labels == 1])
    texts = [article.text for article in page.all("article")]
    assert [("No row of the data" in text) for text in texts] == [True, False, True]
    assert "2 clusters without rows" in page.one("section", id="sizes").text


def test_a_single_row_is_enough(page_of, clustering, rows):
    page = page_of(clustering, rows[:1])
    assert page.one("tfoot").all("td")[0].text == "1"


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"n_exemplars": 0}, ["n_exemplars=0", "at least 1"]),
        ({"n_features": 1.5}, ["n_features=1.5"]),
        ({"max_rows": True}, ["max_rows=True"]),
        ({"max_images": -1}, ["max_images=-1"]),
        ({"feature_names": ["a"]}, ["feature_names has 1", "12"]),
    ],
)
def test_bad_options_are_refused(clustering, rows, tmp_path, options, parts):
    with pytest.raises(ValueError) as refusal:
        write_report(clustering, rows, tmp_path / "page.html", **options)
    for part in parts:
        assert part in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_bad_data_are_refused_and_leave_no_file(clustering, rows, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("mine")
    bad = rows.copy()
    bad[3, 3] = np.nan
    for data, words in (
        (rows[:, :5], "12 features"),
        (bad, "NaN"),
        (iter([]), "no rows"),
        (rows[0], "2D"),
    ):
        with pytest.raises(ValueError, match=words):
            write_report(clustering, data, path)
    assert [path.read_text(), len(list(tmp_path.iterdir()))] == ["mine", 1]


def test_other_estimators_and_unfitted_ones_are_refused(rows, tmp_path):
    path = tmp_path / "page.html"
    with pytest.raises(TypeError, match=r"KMeans.*DenseSegmenter"):
        write_report(KMeans(), rows, path)
    for model in (NeuralEigenSpectralClustering(), DenseSegmenter()):
        with pytest.raises(NotFittedError):
            write_report(model, rows, path)


def test_files_that_cannot_be_written_are_refused_before_any_work(tmp_path, clustering):
    with pytest.raises(IsADirectoryError, match="path of a file"):
        write_report(clustering, None, tmp_path)
    with pytest.raises(FileNotFoundError, match="create it first"):
        write_report(clustering, None, tmp_path / "a" / "page.html")


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_missing_packages_are_named_with_their_extra(
    monkeypatch, clustering, rows, tmp_path, package
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"{package}.*extra 'plot'"):
        write_report(clustering, rows, tmp_path / "page.html")


def test_the_script_of_a_page_is_the_one_that_is_allowed(page_of, segmenter, pictures):
    page = safe(page_of(segmenter, pictures))
    digest = hashlib.sha256(page.one("script").raw.encode("utf-8")).digest()
    policy = page.one("meta", http_equiv="Content-Security-Policy")["content"]
    assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "unsafe-eval" not in policy
