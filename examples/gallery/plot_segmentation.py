"""
Clusters of photographs without labels
======================================

:class:`neuraleig.DenseSegmenter` finds clusters of the patches of images, and labels
every pixel. Here it is fitted to the two photographs that come with scikit-learn, with
features of colour and texture by fixed filters: no weights are needed, and no objects
are recognised.
"""

# %%
# Fit to both photographs
# -----------------------
#
# A cluster has the same number in every image.

import matplotlib.pyplot as plt
from sklearn.datasets import load_sample_images

from neuraleig import DenseSegmenter
from neuraleig.plotting import (
    ClusterSizesDisplay,
    SegmentationDisplay,
    SpectrumDisplay,
)

images = load_sample_images().images
segmenter = DenseSegmenter(
    6,
    backbone="color_texture",
    refine="guided",
    random_state=0,
).fit(images)

for image in images:
    SegmentationDisplay.from_estimator(segmenter, image)
    plt.show()

# %%
# Names
# -----
#
# A person can name the clusters, here by a pixel of each. All displays use the names.

china, flower = segmenter.predict(images)
segmenter.name_clusters(
    {
        int(china[20, 600]): "sky",
        int(china[400, 600]): "trees",
        int(flower[60, 60]): "leaves",
        int(flower[200, 280]): "flower",
    }
)

# %%
# The image, its labels, and both
# -------------------------------
#
# A display can be drawn again with another opacity and on other axes.

figure, axes = plt.subplots(1, 3, figsize=(11, 2.4), layout="compressed")
display = SegmentationDisplay.from_estimator(
    segmenter, images[1], opacity=0.0, outline=False, legend=False, ax=axes[0]
)
display.plot(axes[1], opacity=1.0, legend=False)
display.plot(axes[2], opacity=0.5)
for ax, title in zip(axes, ("Image", "Labels", "Both"), strict=True):
    ax.set_title(title)
plt.show()

# %%
# Share of the pixels in each cluster
# -----------------------------------

ClusterSizesDisplay.from_estimator(segmenter, images, normalize=True, sort=True)
plt.show()

# %%
# How many clusters?
# ------------------
#
# The eigenvalues of the graph of patches, and the gap that suggests a number.

SpectrumDisplay.from_estimator(segmenter)
plt.show()
