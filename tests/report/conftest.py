"""Fitted models that pages are written about, and a reader of pages."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering
from neuraleig.plotting import _layout as layouts
from neuraleig.report import write_report
from neuraleig.training import Training

VOID = {"meta", "link", "img", "input", "br"}
# Names that break out of HTML, of attributes, of scripts, of templates, of plots and of
# lines.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script></style></title><b>bold</b>",
    "a & b &amp; c",
    "' onfocus='alert(1)' x='",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1}$",
    "‮right to left",
    "עברית 汉字 🙂",
    "x" * 5000,
    "https://example.org/x.js",
    "nul\0 bell\x07 half \udc80",
)


class Element:
    """A tag with what is in it."""

    def __init__(self, tag, attributes, parent=None):
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.children = []

    def __iter__(self):
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child

    def __getitem__(self, name):
        return self.attributes[name]

    def all(self, tag, **wanted):
        wanted = {name.replace("_", "-").strip("-"): v for name, v in wanted.items()}
        return [
            one
            for one in self
            if one.tag == tag
            and all(one.attributes.get(n) == v for n, v in wanted.items())
        ]

    def one(self, tag, **wanted):
        (found,) = self.all(tag, **wanted)
        return found

    @property
    def text(self):
        texts = (c if isinstance(c, str) else c.text for c in self.children)
        return " ".join("".join(texts).split())

    @property
    def raw(self):
        """Text of a script or a style, as it stands."""
        return "".join(child for child in self.children if isinstance(child, str))

    def table(self):
        """Texts of the cells of the bodies, row by row."""
        return [
            [cell.text for cell in row if cell.tag in ("th", "td")]
            for body in self.all("tbody")
            for row in body.all("tr")
        ]


class Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = self.open = Element("root", {})

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), f"{tag} repeats an attribute"
        element = Element(tag, dict(attributes), self.open)
        self.open.children.append(element)
        if tag not in VOID:
            self.open = element

    def handle_startendtag(self, tag, attributes):
        self.open.children.append(Element(tag, dict(attributes), self.open))

    def handle_endtag(self, tag):
        assert self.open.tag == tag, f"</{tag}> closes <{self.open.tag}>"
        self.open = self.open.parent

    def handle_data(self, data):
        self.open.children.append(data)


def parsed(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open is reader.root, f"<{reader.open.tag}> is never closed"
    return reader.root


@pytest.fixture(autouse=True)
def quick_maps(monkeypatch):
    """Maps of two principal axes; tests of the display have those of t-SNE."""

    class Start:
        def __init__(self, init, **options):
            self.init = init

        def fit_transform(self, X):
            return self.init

    monkeypatch.setattr(layouts, "TSNE", Start)


@pytest.fixture(scope="session")
def read_page():
    """Reader of a page, which must be well formed."""
    return parsed


@pytest.fixture
def page_of(tmp_path):
    """Writer of a page, which is read at once."""

    def write(estimator, data, **options):
        path = tmp_path / "page.html"
        assert write_report(estimator, data, path, **options) == path
        return parsed(path)

    return write


@pytest.fixture(scope="session")
def hostile():
    return HOSTILE


@pytest.fixture(scope="session")
def rows():
    X, _ = make_blobs(150, n_features=12, centers=3, cluster_std=4, random_state=0)
    return X * np.geomspace(0.1, 1000, 12)


@pytest.fixture(scope="session")
def clustering(rows):
    return NeuralEigenSpectralClustering(
        3, training=Training(max_iter=0), random_state=0
    ).fit(rows)


@pytest.fixture(scope="session")
def hostile_frame(rows):
    # Half a character is nothing that every pandas can hold as text of its own kind.
    return pd.DataFrame(rows, columns=pd.Index(HOSTILE, dtype=object))


@pytest.fixture(scope="session")
def pictures():
    """Two images of two halves each, of which the second is less clear."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 60, (2, 48, 64, 3), dtype=np.uint8)
    images[0, :, 32:] += np.uint8(180)
    images[1, 20:] += np.uint8(150)
    return list(images)


@pytest.fixture
def segmenter(pictures):
    """Fitted anew in a moment, since names change it."""
    return DenseSegmenter(
        3,
        backbone="color_texture",
        random_state=0,
    ).fit(pictures)
