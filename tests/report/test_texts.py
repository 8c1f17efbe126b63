"""Texts and names beside rows: keywords, near-duplicates, and how they are shown."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from neuraleig import NeuralEigenSpectralClustering, load, save
from neuraleig.cli import main
from neuraleig.report import _texts as texts_module
from neuraleig.report import write_report
from neuraleig.report._texts import (
    KeywordCounts,
    class_tf_idf,
    near_duplicates,
    words_of,
)
from neuraleig.training import Training

TOPICS = {
    "delivery": ("parcel", "courier", "shipment"),
    "billing": ("invoice", "refund", "charge"),
    "login": ("password", "account", "username"),
}


def tickets(n_texts):
    generator = np.random.default_rng(0)
    topics = generator.choice(list(TOPICS), n_texts)
    return [
        f"the {generator.choice(TOPICS[topic])} and the "
        f"{generator.choice(TOPICS[topic])} of number {number} in {topic}"
        for number, topic in enumerate(topics)
    ]


@pytest.fixture(scope="module")
def texts():
    return tickets(120)


@pytest.fixture(scope="module")
def encoder(texts):
    """Pipeline from texts to clusters."""
    return make_pipeline(
        TfidfVectorizer(token_pattern="[a-z]+"),
        TruncatedSVD(8, random_state=0),
        NeuralEigenSpectralClustering(3, training=Training(max_iter=0), random_state=0),
    ).fit(texts)


def keywords(page):
    (table,) = page.all("table", class_="keywords")
    return [line[1].split(", ") for line in table.table()]


def items(article):
    """Entries of the list of typical rows."""
    lists = [
        one for one in article.all("ul", class_="texts") if one.parent.tag != "details"
    ]
    return [item.text for one in lists for item in one.all("li")]


def test_words_of_any_script():
    text = "Straße, don't 42 हिन्दी में ไทย 中文分词是"
    assert words_of(text) == [
        "strasse", "don", "t", "42", "हिन्दी", "में", "ไทย", "中文", "分词", "是",
    ]  # fmt: skip
    assert words_of(" \n…—!? ") == []


def test_class_tf_idf_is_its_formula():
    # Three clusters, and the words a, b and c.
    counts = np.array([[4, 0, 1], [0, 3, 1], [2, 0, 0]])
    n_words = np.array([5, 4, 2])
    found = class_tf_idf(counts, n_words)
    mean = 11 / 3
    expected = [
        [4 * np.log(1 + mean / 6), 0, np.log(1 + mean / 2)],
        [0, 3 * np.log(1 + mean / 3), np.log(1 + mean / 2)],
        [2 * np.log(1 + mean / 6), 0, 0],
    ]
    np.testing.assert_allclose(found, expected)


def test_keywords_have_the_highest_scores_whatever_the_parts():
    texts = np.array(
        ["apple apple pear the", "pear apple the the", "car the the", "car bike the"],
        dtype=object,
    )
    labels = np.array([0, 0, 1, 1])
    found = []
    for cuts in ([], [1], [1, 2, 3]):
        counts = KeywordCounts(3)
        for part, own in zip(
            np.split(texts, cuts), np.split(labels, cuts), strict=True
        ):
            counts.add(part, own)
        found.append(counts.keywords(5))
    assert found[0] == found[1] == found[2] == [["apple", "pear"], ["car", "bike"], []]
    assert counts.keywords(1) == [["apple"], ["car"], []]


def test_words_beyond_the_limit_are_the_rare_ones(monkeypatch):
    monkeypatch.setattr(texts_module, "MAX_WORDS", 10)
    counts = KeywordCounts(2)
    for number in range(30):
        text = f"often often word{number}"
        counts.add(np.array([text, "other"], dtype=object), np.array([0, 1]))
    assert counts.keywords(1) == [["often"], ["other"]]
    assert len(counts._counts) <= 10


def test_texts_without_a_word_have_no_keywords():
    counts = KeywordCounts(2)
    counts.add(np.array(["", "!?", "7"], dtype=object), np.array([0, 1, 1]))
    assert counts.keywords(3) == [[], []]


def test_nearly_equal_texts_are_groups():
    texts = np.array(
        [
            "one two three four five six seven eight nine ten",
            "ONE two: three four five six seven eight nine ten!",
            "one two three four five six seven eight nine eleven",
            "nothing like this",
            "",
            "",
            "nothing like that",
        ],
        dtype=object,
    )
    functions = np.zeros((7, 2)) + np.arange(7)[:, None] / 10
    groups = near_duplicates(functions, np.empty((7, 0)), texts)
    assert [group.tolist() for group in groups] == [[0, 1, 2]]


def test_equal_rows_are_groups_however_many():
    rows = np.repeat(np.arange(8.0), [1, 20, 1, 2, 1, 1, 1, 1])[:, None] * [1.0, 2.0]
    rows[-1] = rows[0] + 5e-4
    functions = rows + 0.5
    groups = near_duplicates(functions, rows, None)
    found = [group.tolist() for group in groups]
    assert found == [list(range(1, 21)), [0, 27], [22, 23]]


def test_a_pipeline_of_texts_has_keywords_and_typical_texts(page_of, encoder, texts):
    page = page_of(encoder, texts)
    labels = encoder.predict(texts)
    assert "120 rows of text in 3 clusters" in page.one("header").text
    found = keywords(page)
    for cluster, article in enumerate(page.all("article")):
        topics = {texts[row].split()[-1] for row in np.flatnonzero(labels == cluster)}
        assert len(topics) == 1
        # Of the topic, and no word that all topics have.
        assert set(found[cluster]) <= set(TOPICS[min(topics)]) | topics
        assert len(found[cluster]) == 4
        shown = items(article)
        assert len(shown) == 6
        for item in shown:
            _, number, text = item.split(" ", 2)
            assert text == texts[int(number)]
            assert labels[int(number)] == cluster


def test_texts_beside_vectors_have_the_same_keywords(page_of, encoder, texts):
    vectors = encoder[:-1].transform(texts)
    expected = keywords(page_of(encoder, texts))
    page = page_of(encoder[-1], vectors, texts=texts)
    assert keywords(page) == expected
    # Columns of vectors are there, behind the texts.
    assert page.all("article")[0].all("details")
    assert page.all("table", class_="numbers heat")


@pytest.mark.parametrize("kind", [list, tuple, pd.Series, iter])
def test_texts_and_names_come_in_any_form(encoder, texts, tmp_path, kind):
    names = [f"T-{number}" for number in range(120)]
    expected = write_report(encoder, texts, tmp_path / "a", row_names=names)
    vectors = encoder[:-1].transform(texts)
    whole = write_report(
        encoder[-1], vectors, tmp_path / "b", texts=kind(texts), row_names=kind(names)
    )
    parts = (vectors[start : start + 50] for start in range(0, 120, 50))
    parted = write_report(
        encoder[-1], parts, tmp_path / "c", texts=kind(texts), row_names=kind(names)
    )
    assert whole.read_bytes() == parted.read_bytes()
    assert b"T-7" in expected.read_bytes()


def test_a_sample_has_its_own_texts(page_of, encoder, texts):
    page = page_of(encoder, texts, max_rows=30, row_names=range(120))
    shown = [item for article in page.all("article") for item in items(article)]
    for item in shown:
        _, number, name, text = item.split(" ", 3)
        assert (number, text) == (name, texts[int(number)])


def test_near_duplicates_are_on_the_page(page_of, encoder, texts):
    given = [*texts, texts[3].upper() + "!", texts[3] + "?"]
    page = page_of(encoder, given)
    folded = [one for one in page.all("details") if "Near-dup" in one.text]
    found = [
        entry.text
        for one in folded
        for entry in one.all("li")
        if "row 120" in entry.text
    ]
    assert len(found) == 1
    assert "row 3 " in found[0] and "row 121" in found[0]


def test_rows_have_near_duplicates_without_texts(page_of, clustering, rows):
    page = page_of(clustering, np.concatenate([rows, rows[5:7]]))
    text = " ".join(one.text for one in page.all("details"))
    assert "row 5row 150" in text
    assert "row 6row 151" in text
    plain = page_of(clustering, rows)
    assert not [one for one in plain.all("details") if "Near-dup" in one.text]


def test_doubtful_rows_have_their_texts(page_of, encoder, texts):
    section = page_of(encoder, texts).one("section", id="confidence")
    for number, _, _, text in section.table():
        assert text == texts[int(number)]


def test_hostile_texts_and_names_are_texts(page_of, clustering, rows, hostile):
    given = [hostile[number % len(hostile)] for number in range(150)]
    page = page_of(clustering, rows, texts=given, row_names=given[::-1])
    assert page.all("script") == page.all("img") == page.all("b") == []
    for one in page:
        assert not [name for name in one.attributes if name.startswith("on")]
    shown = " ".join(item for a in page.all("article") for item in items(a))
    assert "<script>alert(1)</script>" in shown
    assert "x" * 300 not in shown


def test_missing_and_empty_texts_are_empty(page_of, clustering, rows):
    given = [None, np.nan, "", pd.NA, "word"] * 30
    page = page_of(clustering, rows, texts=given, row_names=given)
    text = page.one("main").text
    assert "nan" not in text.lower().split() and "NA" not in text.split()


@pytest.mark.parametrize("name", ["texts", "row_names"])
def test_there_is_one_text_per_row(name, clustering, rows, tmp_path):
    path = tmp_path / "page.html"
    for given, message in (
        (["a"] * 149, f"{name} has 149 entries, but data has more rows"),
        (["a"] * 151, f"{name} has more entries than the 150 rows"),
        ((t for t in "ab"), f"{name} has 2 entries"),
    ):
        with pytest.raises(ValueError, match=message):
            write_report(clustering, rows, path, **{name: given})
    with pytest.raises(TypeError, match=f"{name} is of type str"):
        write_report(clustering, rows, path, **{name: "text"})
    with pytest.raises(TypeError, match=f"{name} is of type int"):
        write_report(clustering, rows, path, **{name: 5})
    with pytest.raises(ValueError, match=rf"{name} has shape \(150, 2\)"):
        write_report(clustering, rows, path, **{name: np.full((150, 2), "a")})
    assert not path.exists()


def test_images_have_no_texts(segmenter, pictures, tmp_path):
    for name in ("texts", "row_names"):
        with pytest.raises(ValueError, match=f"{name} is for rows"):
            write_report(segmenter, pictures, tmp_path / "p", **{name: ["a", "b"]})


@pytest.fixture(scope="module")
def files(encoder, texts, tmp_path_factory):
    """Model of vectors, a file of them with texts and ids, and files of these."""
    folder = tmp_path_factory.mktemp("texts")
    vectors = encoder[:-1].transform(texts)
    save(encoder[-1], folder / "model")
    frame = pd.DataFrame(vectors, columns=[f"v{number}" for number in range(8)])
    frame["text"] = [f"{text}, again" for text in texts]
    frame["id"] = [f"T-{number}" for number in range(120)]
    frame.to_csv(folder / "vectors.csv", index=False)
    np.save(folder / "vectors.npy", vectors)
    (folder / "texts.txt").write_text("\n".join(frame["text"]) + "\n", encoding="utf-8")
    (folder / "ids.txt").write_text("\r\n".join(frame["id"]), encoding="utf-8-sig")
    return folder, vectors, frame


@pytest.mark.parametrize("source", ["files", "columns"])
def test_the_command_takes_texts_and_names(files, source, tmp_path):
    folder, vectors, frame = files
    options = {
        "files": ("vectors.npy", "--texts", folder / "texts.txt", "--row-names",
                  folder / "ids.txt"),
        "columns": ("vectors.csv", "--text-column", "text", "--name-column", "id"),
    }  # fmt: skip
    data, *given = options[source]
    line = ["report", folder / "model", folder / data, "-o", tmp_path / "a", *given]
    assert main(list(map(str, line))) == 0
    names = [f"v{n}" for n in range(8)] if source == "columns" else None
    expected = write_report(
        load(folder / "model"), vectors, tmp_path / "b", feature_names=names,
        texts=frame["text"], row_names=frame["id"],
    )  # fmt: skip
    assert (tmp_path / "a").read_bytes() == expected.read_bytes()


def test_wrong_options_of_texts_are_named(files, tmp_path, capsys):
    folder, _, _ = files
    start = ["report", folder / "model"]
    out = ["-o", tmp_path / "page.html"]
    for arguments, status, message in (
        (["vectors.csv", *out, "--texts", "t", "--text-column", "text"], 2,
         "--texts and --text-column exclude"),
        (["vectors.csv", *out, "--row-names", "t", "--name-column", "id"], 2,
         "--row-names and --name-column exclude"),
        (["vectors.csv", *out, "--text-column", "no"], 1, "no column 'no'"),
        (["vectors.npy", *out, "--texts", tmp_path / "none.txt"], 1, "none.txt"),
    ):  # fmt: skip
        line = [*start, folder / arguments[0], *arguments[1:]]
        assert main(list(map(str, line))) == status
        assert message in capsys.readouterr().err
    assert main([*map(str, start), "-", *map(str, out), "--text-column", "text"]) == 2
    assert "read DATA a second time" in capsys.readouterr().err
    (tmp_path / "short.txt").write_text("one\n")
    line = [*start, folder / "vectors.npy", *out, "--texts", tmp_path / "short.txt"]
    assert main(list(map(str, line))) == 1
    assert "texts has 1 entries" in capsys.readouterr().err
