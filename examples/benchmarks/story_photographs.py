"""Sixty pictures: one command from the folder to masks, a sheet and a report.

    python examples/benchmarks/story_photographs.py [--seed 0] [--json FILE]
        [--keep FOLDER]

The pictures are the synthetic scenes of scenes.py, of five textures, as PNG files, so
that the story needs no weights: features are colour and texture. A second command
scores the model on twenty further scenes, whose clusters are given classes on the
sixty. For photographs, segment_once.py runs the same command with a transformer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import PIL.Image
import scenes

N_SEEN, N_NEW = 60, 20


def write_scenes(folder: Path, n_scenes: int, seed: int) -> None:
    """Write scenes to ``images``, and their classes to ``masks``."""
    for name, pictures in zip(
        ("images", "masks"), scenes.scenes(n_scenes, seed), strict=True
    ):
        (folder / name).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            PIL.Image.fromarray(picture).save(folder / name / f"{number:02}.png")


def command(folder: Path, line: str) -> str:
    """Run the command line in a folder; its output."""
    words = [sys.executable, "-m", "neuraleig", *line.split()]
    done = subprocess.run(words, check=True, cwd=folder, stdout=subprocess.PIPE)
    return done.stdout.decode()


def run(folder: Path, seed: int) -> dict[str, float]:
    """Fit sixty scenes, and score twenty others."""
    write_scenes(folder / "seen", N_SEEN, seed)
    write_scenes(folder / "new", N_NEW, seed + 1000)
    names = json.dumps([str(name) for name in scenes.CLASSES])
    (folder / "classes.json").write_text(names)
    start = time.perf_counter()
    command(
        folder,
        "segment fit seen/images -o model.safetensors --backbone color_texture "
        f"--n-clusters {len(scenes.CLASSES)} --random-state {seed} --predict labels "
        "--sheet clusters.jpg --report report.html",
    )
    seconds = time.perf_counter() - start
    scores = command(
        folder,
        "segment evaluate model.safetensors --images new/images --masks new/masks "
        "--map-images seen/images --map-masks seen/masks --classes classes.json --json",
    )
    return {
        "seconds": seconds,
        "n_label_maps": float(len(list((folder / "labels").glob("*.png")))),
        "new_miou": float(json.loads(scores)["mean_iou"]),
        "report_kB": (folder / "report.html").stat().st_size / 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--keep", type=Path, help="folder for all files")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        figures = run(folder, arguments.seed)
    for name, value in figures.items():
        print(f"{name}: {value:.3f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
