"""
How certain is a label?
=======================

The largest entry of ``predict_proba`` estimates how often such a label is right. Rows
of low probability can be left to a person, or left out. No class is needed for it; this
example compares it with classes.
"""

# %%
# Digits and the probabilities of their labels
# --------------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split

from neuraleig import NeuralEigenSpectralClustering

X, classes = load_digits(return_X_y=True)
X_train, X_new, classes_train, classes_new = train_test_split(
    X / X.std(), classes, test_size=0.4, stratify=classes, random_state=0
)
model = NeuralEigenSpectralClustering(10, random_state=0).fit(X_train)

# Classes are for scores only: the digit of each cluster, by the training rows.
_, digit_of = linear_sum_assignment(-confusion_matrix(classes_train, model.labels_).T)
probabilities = model.predict_proba(X_new)
confidence = probabilities.max(axis=1)
right = digit_of[probabilities.argmax(axis=1)] == classes_new

# %%
# The least certain labels
# ------------------------

least = np.argsort(confidence)[:10]
figure, axes = plt.subplots(1, 10, figsize=(9, 1.5), layout="constrained")
for ax, row in zip(axes, least, strict=True):
    ax.imshow(X_new[row].reshape(8, 8), cmap="gray_r")
    ax.set_title(
        f"{digit_of[probabilities[row].argmax()]}\n{confidence[row]:.2f}", fontsize=9
    )
    ax.set_axis_off()
plt.show()

# %%
# Leaving out uncertain labels
# ----------------------------
#
# Left: the share of right labels among the rows of the highest probabilities, by how
# many rows are kept. Right: six parts of the rows by their probability.

order = np.argsort(-confidence, kind="stable")
taken = np.arange(1, order.size + 1)
share_right = np.cumsum(right[order]) / taken
parts = np.array_split(order[::-1], 6)

figure, (left_ax, right_ax) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left_ax.plot(taken[20:] / order.size, share_right[20:])
left_ax.set_xlabel("share of the rows, most certain first")
left_ax.set_ylabel("share right")
sixths = np.arange(1, 7)
right_ax.plot(
    sixths, [confidence[part].mean() for part in parts], "s--", label="mean probability"
)
right_ax.plot(sixths, [right[part].mean() for part in parts], "o-", label="share right")
right_ax.set_xlabel("sixth of the rows, least certain first")
right_ax.legend()
plt.show()

half = order[: order.size // 2]
print(
    f"right: {right.mean():.3f} of all rows, "
    f"{right[half].mean():.3f} of the more certain half"
)

# %%
# What is seen
# ------------
#
# Labels of a high probability are nearly always right, so leaving out the others helps.
# On the right, the mean probability of every sixth follows its share of right labels,
# from below: on these rows the model is right more often than it says.
