"""Images as a page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuraleig._words import count_text, share_text
from neuraleig.report._image_summary import ImageSummary
from neuraleig.report._page import jpeg_address
from neuraleig.report._shared_view import cluster_entries, confidence_entry, sizes_entry
from neuraleig.segmentation.images._image_files import jpeg_bytes
from neuraleig.segmentation.outputs import label_colors
from neuraleig.segmentation.outputs._crops import Crop, outlined_crop

# Points of a crop on the page, which has more pixels for screens that show them.
SHOWN_SIZE = 112


def image_entries(summary: ImageSummary, names: Mapping[int, str]) -> dict[str, Any]:
    """What the template asks for about clusters of pixels.

    Parameters
    ----------
    summary : ImageSummary
        What is known.
    names : mapping of int to str
        Names of some clusters.

    Returns
    -------
    entries : dict of str to object
        By name.
    """
    clusters = cluster_entries(summary.confidences, names)
    colors = label_colors(len(clusters))
    for entry, crops, color in zip(clusters, summary.crops, colors, strict=True):
        entry["crops"] = [_crop(crop, color) for crop in crops]
    seen = count_text(summary.n_images, "image")
    if summary.n_images < summary.n_given:
        seen = f"{seen} of {summary.n_given:,}, drawn at random or readable"
    sizes = sizes_entry(summary.confidences, "pixel", seen)
    return {
        "clusters": clusters,
        "unit": "Pixels",
        "sizes": sizes,
        "subject": sizes["note"].rstrip("."),
        "confidence": confidence_entry(summary.confidences, "pixels"),
        "doubtful_rows": None,
        "doubtful_images": [
            {
                "address": jpeg_address(jpeg_bytes(image.picture)),
                "height": image.picture.shape[0],
                "width": image.picture.shape[1],
                "name": image.name,
                "confidence": share_text(image.confidence),
            }
            for image in summary.doubtful
        ],
        "clusters_note": (
            "The largest regions of every cluster, outlined in its colour; what is "
            f"around them is pale. {seen} {'was' if summary.n_images == 1 else 'were'} "
            "looked at."
        ),
    }


def _crop(crop: Crop, color: np.ndarray[Any, np.dtype[np.uint8]]) -> dict[str, Any]:
    drawn = outlined_crop(crop, color)
    return {
        "address": jpeg_address(jpeg_bytes(drawn)),
        "height": SHOWN_SIZE,
        "width": SHOWN_SIZE,
    }
