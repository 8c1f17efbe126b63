"""Segments of two photographs, without a network, weights or a GPU.

The pictures come with scikit-learn. The features are colour and texture, by fixed
filters: they describe how places look, and recognise no objects. Run it with

    python examples/segment_pictures.py [--out FOLDER] [--n-clusters 6]

or, for the pictures of the documentation, with a transformer and a file of its weights:

    python examples/segment_pictures.py --n-clusters 8 --image-size 560
        --backbone vit_small_patch14_dinov2 --weights FILE --layers 0 5 8

It takes a quarter of a minute, or a whole one. The folder then holds a PNG of labels
for each picture, manifest.json, the pictures under their labels (overlays/), and a
sheet with a row of crops for every cluster (clusters.jpg). With the sheet at hand,
clusters are named for the manifest and the sheet by --name 2=flower --name 5=trees.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from sklearn.datasets import load_sample_images

from neuraleig import DenseSegmenter
from neuraleig.segmentation import TimmBackbone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("segments"))
    parser.add_argument("--n-clusters", type=int, default=6)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--backbone", help="name of a transformer of timm")
    parser.add_argument("--weights", type=Path, help="file of its weights")
    parser.add_argument("--layers", nargs="*", type=int, help="its blocks")
    parser.add_argument("--image-size", type=int, help="pixels of the shorter side")
    parser.add_argument(
        "--name", action="append", default=[], metavar="CLUSTER=NAME", dest="names"
    )
    arguments = parser.parse_args()
    pictures = Path(load_sample_images().filenames[0]).parent

    backbone: str | TimmBackbone = "color_texture"
    if arguments.backbone is not None:
        layers = arguments.layers or "auto"
        backbone = TimmBackbone(
            arguments.backbone, weights=arguments.weights, layers=layers
        )
    model = DenseSegmenter(
        arguments.n_clusters,
        backbone=backbone,
        image_size=arguments.image_size,
        window_size=None,
        refine="guided",
        random_state=arguments.random_state,
    )
    start = time.perf_counter()
    model.fit(pictures)
    print(f"fit: {time.perf_counter() - start:.1f} s, {model.n_clusters_} clusters")
    pairs = [pair.partition("=") for pair in arguments.names]
    model.name_clusters({int(cluster): name for cluster, _, name in pairs})
    report = model.predict_folder(
        pictures, arguments.out, overlays=True, overwrite=True, progress=False
    )
    model.contact_sheet(pictures, n_crops=4).save(arguments.out / "clusters.jpg")

    for cluster, n_pixels in enumerate(report.pixels):
        name = model.cluster_names_.get(cluster, "not named")
        share = n_pixels / report.pixels.sum()
        print(f"cluster {cluster} ({name}): {share:.1%} of the pixels")
    print(f"labels, overlays and a sheet of the clusters are in {arguments.out}/")


if __name__ == "__main__":
    main()
