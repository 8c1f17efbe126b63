"""Segments of a folder of photographs by a pretrained transformer, DINOv2 by default.

    python examples/segment_folder_dinov2.py PHOTOS --out SEGMENTS

A GPU is used where there is one. The weights are fetched from the hub of timm on the
first run, and kept; without a network pass them with --weights, or try things out
with random ones:

    python examples/segment_folder_dinov2.py PHOTOS --out SEGMENTS --no-pretrained

Any vision transformer of timm may be named by --backbone. The output folder gets a PNG
of labels for each image in the same tree, manifest.json, overlays and clusters.jpg,
a sheet with a row of crops for every cluster. What an earlier run wrote there is
replaced. --features names a folder that keeps the features for later fits.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering
from neuraleig.segmentation import TimmBackbone
from neuraleig.training import Training


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", type=Path, help="folder, searched with all below it")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--n-clusters", type=int, default=27)
    parser.add_argument("--backbone", default="vit_small_patch14_reg4_dinov2.lvd142m")
    parser.add_argument("--weights", type=Path, help="file of weights")
    parser.add_argument(
        "--pretrained", action=argparse.BooleanOptionalAction, default=True
    )
    parser.add_argument(
        "--image-size", type=int, help="pixels of the shorter side as it is seen"
    )
    parser.add_argument("--max-iter", type=int, help="steps of fine-tuning")
    parser.add_argument("--features", type=Path, help="folder that keeps features")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--random-state", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    model = DenseSegmenter(
        arguments.n_clusters,
        backbone=TimmBackbone(
            arguments.backbone,
            pretrained=arguments.pretrained,
            weights=arguments.weights,
        ),
        clusterer=NeuralEigenSpectralClustering(
            training=Training(max_iter=arguments.max_iter)
        ),
        image_size=arguments.image_size,
        feature_cache=arguments.features or "auto",
        refine="guided",
        device=arguments.device,
        verbose=1,
        random_state=arguments.random_state,
    )
    start = time.perf_counter()
    model.fit(arguments.images)
    print(f"fit: {time.perf_counter() - start:.0f} s on {model.device_}")
    print(f"clusters: {model.n_clusters_}")

    start = time.perf_counter()
    report = model.predict_folder(
        arguments.images, arguments.out, overlays=True, overwrite=True
    )
    seconds = time.perf_counter() - start
    print(f"labels: {len(report.written)} images in {seconds:.0f} s")
    for _, reason in report.unreadable:
        print(reason)
    readable = [arguments.images / name for name in report.written]
    model.contact_sheet(readable).save(arguments.out / "clusters.jpg")
    print(f"labels, overlays and a sheet of the clusters are in {arguments.out}/")


if __name__ == "__main__":
    main()
