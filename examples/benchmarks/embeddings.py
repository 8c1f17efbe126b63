"""Clusters of embeddings: k-means, spectral clustering, UMAP with HDBSCAN, and ours.

    python examples/benchmarks/embeddings.py [--sets packages digits] [--seeds 3]

Half of the rows are clustered, and the labels of the other half are compared with the
classes. Methods without ``predict`` label a row as its nearest training row: spectral
clustering in the rows, HDBSCAN in the plane of UMAP, whose noise is labelled as the
nearest row that is not noise.

packages : one-line descriptions of Debian packages by section, as ``apt-cache
    dumpavail`` lists them (Debian alone); 100 dimensions by TF-IDF and SVD
packages, MiniLM : the same by a sentence model (needs sentence-transformers, and
    all-MiniLM-L6-v2 or a folder of it as ``--model``)
newsgroups : the 20 newsgroups without headers, footers and quotes (is downloaded)
digits : scikit-learn's digits, as embeddings of images
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable

import numpy as np
from sklearn.cluster import HDBSCAN, KMeans, SpectralClustering
from sklearn.datasets import fetch_20newsgroups, load_digits
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy

SECTIONS = ("database", "fonts", "games", "mail", "math", "science", "sound", "web")
MOST_PER_SECTION = 600


def packages():
    """Descriptions and sections, no description twice."""
    done = subprocess.run(
        ["apt-cache", "dumpavail"], capture_output=True, text=True, check=True
    )
    found = {}
    for record in done.stdout.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in record.splitlines() if ": " in line
        )
        if fields.get("Section") in SECTIONS and "Description" in fields:
            found[fields["Description"]] = fields["Section"]
    generator = np.random.default_rng(0)
    texts = np.array(sorted(found), dtype=object)
    sections = np.array([found[text] for text in texts])
    kept = [
        generator.permutation(np.flatnonzero(sections == name))[:MOST_PER_SECTION]
        for name in SECTIONS
    ]
    rows = np.concatenate(kept)
    return texts[rows], sections[rows]


def latent(texts):
    """Unit vectors of texts by TF-IDF and a singular value decomposition."""
    encoder = make_pipeline(
        TfidfVectorizer(stop_words="english", sublinear_tf=True),
        TruncatedSVD(100, random_state=0),
    )
    return normalize(encoder.fit_transform(texts))


def encoded(texts, model):
    """Unit vectors of texts by a sentence model."""
    from sentence_transformers import SentenceTransformer

    return normalize(SentenceTransformer(model).encode(list(texts)))


def load(name, model):
    """Rows and classes of a set."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return normalize(X), y
    if name == "newsgroups":
        parts = ("headers", "footers", "quotes")
        data = fetch_20newsgroups(subset="all", remove=parts)
        return latent(data.data), data.target
    texts, sections = packages()
    vectors = encoded(texts, model) if "MiniLM" in name else latent(texts)
    return vectors, sections


def of_nearest(X, labels, X_new):
    """Labels of the nearest rows, noise aside."""
    known = labels >= 0
    if not known.any():
        return np.zeros(len(X_new), dtype=int)
    return KNeighborsClassifier(1).fit(X[known], labels[known]).predict(X_new)


def k_means(X, X_new, n_clusters, seed):
    return KMeans(n_clusters, n_init=10, random_state=seed).fit(X).predict(X_new)


def spectral(X, X_new, n_clusters, seed):
    model = SpectralClustering(
        n_clusters, affinity="nearest_neighbors", n_neighbors=10, random_state=seed
    )
    return of_nearest(X, model.fit_predict(X), X_new)


def umap_hdbscan(X, X_new, n_clusters, seed):
    from umap import UMAP

    mapper = UMAP(n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
    plane = mapper.fit_transform(X)
    labels = HDBSCAN(min_cluster_size=max(10, len(X) // 100)).fit_predict(plane)
    return of_nearest(plane, labels, mapper.transform(X_new))


def ours(X, X_new, n_clusters, seed):
    model = NeuralEigenSpectralClustering(
        n_clusters, metric="cosine", random_state=seed
    )
    return model.fit(X).predict(X_new)


METHODS: dict[str, Callable] = {
    "k-means": k_means,
    "SpectralClustering, 10-NN": spectral,
    "UMAP + HDBSCAN": umap_hdbscan,
    "neuraleig": ours,
}


def measured(method, X, y, seed):
    """Accuracy, adjusted Rand index, number of clusters and seconds."""
    X_old, X_new, _, y_new = train_test_split(
        X, y, test_size=0.5, random_state=seed, stratify=y
    )
    start = time.perf_counter()
    labels = method(X_old, X_new, np.unique(y).size, seed)
    seconds = time.perf_counter() - start
    accuracy = clustering_accuracy(y_new, labels)
    index = adjusted_rand_score(y_new, labels)
    return accuracy, index, np.unique(labels).size, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=["packages", "digits"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    options = parser.parse_args()
    print("| set | method | accuracy | adjusted Rand | clusters | seconds |")
    print("|---|---|---|---|---|---|")
    for name in options.sets:
        X, y = load(name, options.model)
        n_classes = np.unique(y).size
        size = f"{name}, {len(X):,} rows, {n_classes} classes"
        for title, method in METHODS.items():
            try:
                runs = [measured(method, X, y, s) for s in range(options.seeds)]
            except ImportError as error:
                print(f"| {size} | {title} | {error.name} is not installed | | | |")
                continue
            scores = np.array(runs)
            (accuracy, index, found, seconds), spread = scores.mean(0), scores.std(0)
            print(
                f"| {size} | {title} | {accuracy:.3f} ± {spread[0]:.3f} | "
                f"{index:.3f} ± {spread[1]:.3f} | {found:.1f} | {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
