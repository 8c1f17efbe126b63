"""Fit, labels, a sheet and a page of a folder in one run, against the backbone alone.

    python examples/benchmarks/segment_once.py FOLDER [--backbone NAME] [--weights FILE]
        [--layers 0 5 8] [--n-clusters 27] [--n-images 60]

The first images of the folder go through the backbone once, at the size and in the
windows that are the default. The same images then go through ``neuraleig segment fit``
with ``--predict``, ``--sheet`` and ``--report``, with an empty store of features. Both
are measured by the processor time of this process, which other programs change less
than the clock; imports are left out.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import report
import torch

from neuraleig import DenseSegmenter
from neuraleig.cli import main as run
from neuraleig.segmentation import TimmBackbone
from neuraleig.segmentation._geometry import Geometry
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation._window_tokens import WindowTokens
from neuraleig.segmentation.backbones import make_backbone
from neuraleig.segmentation.backbones._feature_cache import NoCache
from neuraleig.segmentation.images._image_paths import image_files
from neuraleig.segmentation.images._image_sets import as_image_set

CPU = torch.device("cpu")


def backbone_seconds(options: argparse.Namespace, folder: Path) -> float:
    """Processor seconds of the backbone on all windows of a folder."""
    chosen = options.backbone
    if options.weights is not None:
        layers = options.layers or "auto"
        chosen = TimmBackbone(chosen, weights=options.weights, layers=layers)
    backbone = make_backbone(chosen, device=CPU)
    size = DenseSegmenter().window_size
    geometry = Geometry(backbone.patch_size, backbone.image_size, size, None)
    tokens = WindowTokens(backbone, CPU, NoCache())
    windows = ImageWindows(as_image_set(folder), geometry, tokens)
    begin = time.process_time()
    for number in range(len(windows)):
        windows[number]
    return time.process_time() - begin


def run_seconds(options: argparse.Namespace, folder: Path, out: Path) -> float:
    """Processor seconds of one run of the command line."""
    line = ["segment", "fit", str(folder), "--output", str(out / "model")]
    line += ["--backbone", options.backbone, "--n-clusters", str(options.n_clusters)]
    if options.weights is not None:
        line += ["--backbone.weights", str(options.weights)]
    if options.layers:
        line += ["--backbone.layers", ",".join(map(str, options.layers))]
    line += ["--feature-cache", str(out / "features"), "--device", "cpu", "-v"]
    for option, name in (("predict", "m"), ("sheet", "s.png"), ("report", "r.html")):
        line += [f"--{option}", str(out / name)]
    begin = time.process_time()
    if run(line):
        raise SystemExit("the run failed")
    return time.process_time() - begin


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="color_texture")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--layers", nargs="*", type=int)
    parser.add_argument("--n-clusters", type=int, default=27)
    parser.add_argument("--n-images", type=int, default=60)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    return parser.parse_args()


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        folder = out / "images"
        folder.mkdir()
        for path in image_files(options.folder, None)[: options.n_images]:
            shutil.copy(path, folder)
        alone = backbone_seconds(options, folder)
        whole = run_seconds(options, folder, out)
    title = f"{options.backbone}, {options.n_images} images: processor seconds"
    header = ["backbone alone", "fit, labels, sheet and page", "ratio"]
    row = [f"{alone:.0f}", f"{whole:.0f}", f"{whole / alone:.2f}"]
    table = report.markdown(header, [row])
    raw = {"backbone": alone, "run": whole, "n_clusters": options.n_clusters}
    report.write(options.output, "segment_once", title, [table], raw)


if __name__ == "__main__":
    main()
