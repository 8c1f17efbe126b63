"""Texts and names that come with rows: words of clusters and near-duplicates."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.neighbors import NearestNeighbors

from neuraleig._typing import FloatArray, IntArray
from neuraleig._validation import is_missing

# Most words that are counted; beyond, the rarer half is dropped.
MAX_WORDS = 200_000
# Words that are not more frequent than elsewhere by this factor are no keywords, such
# as articles and pronouns of any language.
LEAST_RATIO = 1.5
# Nearest rows of a row among which near-duplicates of it are searched.
N_NEAREST = 4
# Share of common words from which texts are near-duplicates.
LEAST_COMMON = 0.8
# Difference of nearly equal numbers, in standard deviations of all rows.
TOLERANCE = 1e-3
# Chinese and Japanese, which have no spaces, are counted by pairs of letters.
PIECES = re.compile("[\u3040-\u30ff\u3400-\u9fff]{1,2}|[^\u3040-\u30ff\u3400-\u9fff]+")


class Beside:
    """Values that come with the rows, one each, and are taken part by part."""

    def __init__(self, name: str, values: Iterable[Any]) -> None:
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise TypeError(
                f"{name} is of type {type(values).__name__}; it must have one entry "
                "per row, such as a list."
            )
        shape = getattr(values, "shape", (0,))
        if len(shape) != 1:
            raise ValueError(
                f"{name} has shape {tuple(shape)}; it must have one entry per row, of "
                "shape (n_rows,)."
            )
        self._name = name
        self._values = iter(values)
        self._n_taken = 0

    def take(self, n_rows: int) -> NDArray[np.object_]:
        """Return the texts of the next rows; missing ones are empty."""
        found = list(islice(self._values, n_rows))
        self._n_taken += len(found)
        if len(found) < n_rows:
            raise ValueError(
                f"{self._name} has {self._n_taken} entries, but data has more rows; "
                "there must be one per row."
            )
        texts = np.empty(n_rows, dtype=object)
        texts[:] = ["" if is_missing(value) else str(value) for value in found]
        return texts

    def check_end(self) -> None:
        """Raise a ValueError if there are more values than rows."""
        if any(True for _ in islice(self._values, 1)):
            raise ValueError(
                f"{self._name} has more entries than the {self._n_taken} rows of data; "
                "there must be one per row."
            )


class _Separators(dict[int, str]):
    """Table that turns all but letters, marks and digits to spaces, on demand."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        self[code] = sign if unicodedata.category(sign)[0] in "LMN" else " "
        return self[code]


SEPARATORS = _Separators()


def words_of(text: str) -> list[str]:
    """Words of a text in any script, in lower case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [
        piece
        for word in folded.translate(SEPARATORS).split()
        for piece in PIECES.findall(word)
    ]


class KeywordCounts:
    """Frequencies of words by cluster, of texts that come part by part."""

    def __init__(self, n_clusters: int) -> None:
        self._n_clusters = n_clusters
        self._counts: dict[str, IntArray] = {}
        self._n_words: IntArray = np.zeros(n_clusters, dtype=np.int64)

    def add(self, texts: NDArray[np.object_], labels: IntArray) -> None:
        """Count the words of texts and their clusters."""
        counter = CountVectorizer(analyzer=_keywords)
        try:
            counts = counter.fit_transform(texts)
        except ValueError:
            # No text has a word.
            return
        rows = np.arange(labels.size)
        of_cluster = sp.csr_matrix(
            (np.ones(labels.size, dtype=np.int64), (labels, rows)),
            shape=(self._n_clusters, labels.size),
        )
        found = (of_cluster @ counts).toarray().T
        self._n_words += found.sum(axis=0)
        for word, column in counter.vocabulary_.items():
            before = self._counts.get(word)
            own = found[column]
            self._counts[word] = own.copy() if before is None else before + own
        if len(self._counts) > MAX_WORDS:
            ranked = sorted(self._counts, key=lambda w: (-self._counts[w].sum(), w))
            kept = ranked[: MAX_WORDS // 2]
            self._counts = {word: self._counts[word] for word in kept}

    def keywords(self, n_words: int) -> list[list[str]]:
        """Return words of each cluster by c-TF-IDF, the highest first.

        A word of another frequency in other clusters by less than a factor of 1.5 is
        left out.
        """
        words = np.array(sorted(self._counts), dtype=object)
        if words.size == 0:
            return [[] for _ in range(self._n_clusters)]
        counts = np.stack([self._counts[word] for word in words], axis=1)
        scores = class_tf_idf(counts, self._n_words)
        shares = counts / np.maximum(self._n_words, 1)[:, None]
        rest = counts.sum(axis=0) - counts
        n_rest = np.maximum(self._n_words.sum() - self._n_words, 1)[:, None]
        scores[shares < LEAST_RATIO * rest / n_rest] = 0
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n_words]
        return [
            words[own[scores[cluster, own] > 0]].tolist()
            for cluster, own in enumerate(order)
        ]


def class_tf_idf(counts: IntArray, n_words: IntArray) -> FloatArray:
    """Class-based TF-IDF of words: frequency times log(1 + A / frequency of all).

    A is the mean number of words of a cluster.

    Parameters
    ----------
    counts : ndarray of shape (n_clusters, n_words)
        How often each word occurs in the texts of a cluster.
    n_words : ndarray of shape (n_clusters,)
        Number of all words of these texts.

    Returns
    -------
    scores : ndarray of shape (n_clusters, n_words)
        Weights of words.

    References
    ----------
    .. [1] M. Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF
       procedure", arXiv:2203.05794, 2022.
    """
    total = np.maximum(counts.sum(axis=0), 1)
    weights: FloatArray = counts * np.log1p(n_words.mean() / total)
    return weights


def _keywords(text: str) -> list[str]:
    """Words that can be keywords: no single letters, and no numbers."""
    return [word for word in words_of(text) if len(word) > 1 and not word.isnumeric()]


def near_duplicates(
    functions: FloatArray, cells: FloatArray, texts: NDArray[np.object_] | None
) -> list[IntArray]:
    """Return groups of positions of nearly equal rows of a cluster, the largest first.

    Rows are nearly equal if their texts have 80 % of their words in common, or, without
    texts, if no number differs by more than a thousandth. Each is compared with the
    nearest rows by eigenfunctions.

    Parameters
    ----------
    functions : ndarray of shape (n_rows, n_functions)
        Eigenfunctions.
    cells : ndarray of shape (n_rows, n_columns)
        Cells in standard deviations.
    texts : ndarray of shape (n_rows,) or None
        Texts of the rows.
    """
    n_rows = len(functions)
    if texts is None:
        words, keys = None, [row.tobytes() for row in cells]
    else:
        words = [frozenset(words_of(text)) for text in texts]
        keys = [" ".join(words_of(text)) for text in texts]
    first: dict[Any, int] = {}
    pairs = []
    for row, key in enumerate(keys):
        if not key:
            # Texts without a word have nothing in common.
            continue
        pairs.append((first.setdefault(key, row), row))
    different = np.array(list(first.values()), dtype=np.int64)
    if different.size > 1 and functions.shape[1]:
        pairs += _near_pairs(functions[different], cells, words, different)
    if not pairs:
        return []
    source, target = np.array(pairs).T
    links = sp.coo_matrix((np.ones(len(pairs)), (source, target)), (n_rows, n_rows))
    _, group = connected_components(links, directed=False)
    sizes = np.bincount(group)
    several = np.flatnonzero(sizes > 1)
    order = several[np.argsort(-sizes[several], kind="stable")]
    return [np.flatnonzero(group == number) for number in order]


def _near_pairs(
    functions: FloatArray,
    cells: FloatArray,
    words: list[frozenset[str]] | None,
    rows: IntArray,
) -> Iterator[tuple[int, int]]:
    """Yield nearly equal pairs of rows, whose functions are given."""
    n_nearest = min(N_NEAREST + 1, rows.size)
    search = NearestNeighbors(n_neighbors=n_nearest).fit(functions)
    nearest = rows[search.kneighbors(functions, return_distance=False)]
    for row, others in zip(rows, nearest, strict=True):
        for other in others:
            if other == row:
                continue
            if words is None:
                near = np.abs(cells[row] - cells[other]).max(initial=0) <= TOLERANCE
            else:
                common = len(words[row] & words[other])
                near = common >= LEAST_COMMON * len(words[row] | words[other])
            if near:
                yield int(row), int(other)
