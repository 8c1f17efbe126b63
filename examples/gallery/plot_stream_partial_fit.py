"""
Rows of a stream
================

``partial_fit`` takes rows that arrive once. It keeps a random sample of them, and fits
again whenever the stream has grown by a tenth since the last fit. Clusters keep their
numbers from one fit to the next, so that labels of different days can be compared.
"""

# %%
# Handwritten digits in portions
# ------------------------------
#
# Digits arrive in portions of 60 rows. After every portion the model labels the same
# 500 rows, which are not part of the stream. Classes are used for scores only.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy

X, classes = load_digits(return_X_y=True)
stream, X_fixed, _, classes_fixed = train_test_split(
    X / X.std(), classes, test_size=500, random_state=0
)

model = NeuralEigenSpectralClustering(10, random_state=0)
seen, behind, accuracy, unchanged = [], [], [], []
before = None
for start in range(0, len(stream), 60):
    portion = stream[start : start + 60]
    model.partial_fit(portion)
    labels = model.predict(X_fixed)
    seen.append(start + len(portion))
    behind.append(model.n_samples_seen_)
    accuracy.append(clustering_accuracy(classes_fixed, labels))
    unchanged.append(np.nan if before is None else np.mean(labels == before))
    before = labels

fits = sorted(set(behind))
print(f"{len(seen)} portions, {len(fits)} fits; accuracy at the end {accuracy[-1]:.3f}")

# %%
# Accuracy, and labels that change
# --------------------------------

figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
ax.step(seen, accuracy, where="post", label="accuracy on the fixed rows")
ax.step(seen, unchanged, where="post", label="share of labels kept")
ax.plot(fits, [0.03] * len(fits), "k|", label="a fit")
ax.set_xlabel("rows of the stream")
ax.set_ylim(0, 1.05)
ax.legend(loc="center right")
plt.show()

# %%
# What is seen
# ------------
#
# Fifty or a hundred rows are too few for ten clusters, and many labels change. From
# five hundred rows on, a new fit changes the labels of a few rows in a hundred, and
# between fits none change. A stream that drifts is followed slowly, since old rows stay
# in the sample with the same probability as new ones.
