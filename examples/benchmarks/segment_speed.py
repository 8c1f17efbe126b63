"""Time and memory of segmenting one image: the backbone, and everything after it.

    python examples/benchmarks/segment_speed.py [--clusters 27 256] [--threads 2]

A ViT-S/14 with random weights: times do not depend on them, and nothing is downloaded.
Labels are made of scores with regions, as a fitted network has them. Every size runs
in a process of its own; its peak memory includes the imports and the weights. On CUDA
the networks run in bfloat16.

Columns: seconds of the backbone, of the network, of cutting and blending
windows, of labels at full size, and of all three together; then refinement, which is
optional and not among them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import children
import numpy as np
import report
import torch
import trial
from torch import Tensor
from torch.nn import functional

from neuraleig.networks import EigenNetwork, make_network
from neuraleig.segmentation import Backbone, TimmBackbone
from neuraleig.segmentation._window_tokens import windows_at_a_time
from neuraleig.segmentation.backbones import extract
from neuraleig.segmentation.inference import (
    Lattice,
    labels_from_scores,
    refined_labels,
)
from neuraleig.segmentation.inference._sliding_window import scores_on_lattice

BACKBONE = "vit_small_patch14_dinov2"
PATCH = 14
WINDOW = 518
# Height and width.
SIZES = ((518, 518), (1024, 2048))
LIMITS = children.Limits(600.0)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Clock:
    """Seconds by part, the device having finished each."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = 0.0

    def start(self) -> None:
        """Start the first part."""
        self.last = self._now()

    def stop(self, part: str) -> None:
        """Add the time since the last part to this one."""
        now = self._now()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self.last
        self.last = now

    def _now(self) -> float:
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def an_image(height: int, width: int) -> np.ndarray:
    """Smooth random colours."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 9, 9, generator=generator)
    found = functional.interpolate(coarse, size=(height, width), mode="bicubic")
    rgb = (255 * found[0].clamp(0, 1)).to(torch.uint8)
    return np.ascontiguousarray(rgb.permute(1, 2, 0).numpy())


def piecewise(lattice: Lattice, n_clusters: int) -> Tensor:
    """Scores like those of a fitted network: regions, and noise of tokens.

    Those of random weights have no regions, and cost what no segmentation costs.
    """
    generator = torch.Generator().manual_seed(0)
    h, w = lattice.shape
    coarse = torch.randn(1, n_clusters, h // 8 + 2, w // 8 + 2, generator=generator)
    region = functional.interpolate(coarse, size=(h, w), mode="bilinear")[0].argmax(0)
    means = torch.randn(n_clusters, n_clusters, generator=generator)
    means += 8 * torch.eye(n_clusters)
    noise = torch.randn(h, w, n_clusters, generator=generator)
    return (means[region] + noise).to(DEVICE)


def models(n_clusters: int) -> tuple[Backbone, EigenNetwork]:
    """Backbone, and network of the default size, with random weights."""
    backbone = TimmBackbone(BACKBONE, pretrained=False).make(DEVICE)
    network = make_network(
        "mlp",
        n_features=sum(backbone.n_channels),
        n_functions=n_clusters - 1,
        n_clusters=n_clusters,
    )
    return backbone, network.eval().to(DEVICE)


@torch.no_grad()
def segment(
    rgb: np.ndarray, parts: tuple[Backbone, EigenNetwork], scores: Tensor, batch: int
) -> dict[str, float]:
    """Seconds of the parts of one prediction."""
    backbone, network = parts
    clock = Clock()
    lattice = Lattice.of(*rgb.shape[:2], PATCH, WINDOW)

    def score(windows: Tensor) -> Tensor:
        clock.stop("windows")
        features = extract(backbone, windows, DEVICE)
        clock.stop("backbone")
        found = network.scores(features.flatten(0, 2))
        clock.stop("network")
        return found.reshape(*features.shape[:3], -1)

    clock.start()
    padded = lattice.pad(rgb)
    blended = scores_on_lattice(padded, lattice, score, batch_size=batch)
    clock.stop("windows")
    assert blended.shape == scores.shape
    labels_from_scores(scores, lattice)
    clock.stop("labels")
    after = sum(clock.seconds.values()) - clock.seconds["backbone"]
    refined_labels(scores, rgb, lattice)
    clock.stop("refined")
    return clock.seconds | {"after": after}


def measure(height: int, width: int, n_clusters: int, repeats: int) -> dict[str, float]:
    """Medians over repeats, after a warm-up on one window."""
    parts = models(n_clusters)
    lattice = Lattice.of(height, width, PATCH, WINDOW)
    window = lattice.windows[0]
    batch = windows_at_a_time(window.height * window.width, DEVICE)
    own = Lattice.of(WINDOW, WINDOW, PATCH, WINDOW)
    segment(an_image(WINDOW, WINDOW), parts, piecewise(own, n_clusters), batch)
    rgb, scores = an_image(height, width), piecewise(lattice, n_clusters)
    if DEVICE.type == "cuda":
        segment(rgb, parts, scores, batch)
        torch.cuda.reset_peak_memory_stats()
    found = [segment(rgb, parts, scores, batch) for _ in range(repeats)]
    medians = {key: float(np.median([f[key] for f in found])) for key in found[0]}
    medians["windows_number"] = len(lattice.windows)
    medians["peak_mib"] = trial.peak_mebibytes()
    medians["device_mib"] = (
        torch.cuda.max_memory_allocated() / 2**20 if DEVICE.type == "cuda" else 0.0
    )
    return medians


def row(height: int, width: int, k: int, found: dict[str, float]) -> list[str]:
    """What the table shows of one size."""
    backbone, after = found["backbone"], found["after"]
    seconds = [backbone, found["network"], found["windows"], found["labels"], after]
    return [
        f"{width} x {height}",
        str(k),
        f"{found['windows_number']:.0f}",
        *(f"{value:.3f}" for value in seconds),
        f"{100 * after / backbone:.1f} %",
        f"{found['refined']:.3f}",
        f"{found['peak_mib']:.0f}",
        f"{1 / backbone:.2f} / {1 / (backbone + after):.2f}",
        f"{found['device_mib']:.0f}",
    ]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", nargs="*", type=int, default=[27, 256])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--one", nargs=3, type=int, metavar=("HEIGHT", "WIDTH", "K"))
    parser.add_argument("--found", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    if options.one:
        found = measure(*options.one, options.repeats)
        options.found.write_text(json.dumps(found))
        return
    rows, cells = [], []
    for height, width in SIZES:
        for k in options.clusters:
            with tempfile.TemporaryDirectory() as folder:
                # Many windows are repeats enough.
                repeats = options.repeats if height == WINDOW else 1
                command = [sys.executable, __file__, "--repeats", str(repeats)]
                command += ["--threads", str(options.threads)]
                command += ["--one", *map(str, (height, width, k))]
                path = Path(folder) / "found.json"
                command += ["--found", str(path)]
                failure = children.run(command, Path(folder) / "log.txt", LIMITS)
                if failure is not None:
                    rows.append([f"{width} x {height}", str(k), failure, *[""] * 10])
                    continue
                found = json.loads(path.read_text())
            rows.append(row(height, width, k, found))
            cells.append({"height": height, "width": width, "k": k, **found})
    header = "image|k|windows|backbone s|network|windows|labels|after|of backbone"
    header += "|refined|peak MiB|images/s backbone / all|device MiB"
    title = f"Segmenting one image on {DEVICE}: {BACKBONE}, window {WINDOW}"
    table = report.markdown(header.split("|"), rows)
    report.write(options.output, "segment_speed", title, [table], cells)


if __name__ == "__main__":
    main()
