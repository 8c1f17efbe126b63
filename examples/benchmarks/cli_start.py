"""Cold starts of the command line: seconds and imported modules of every command.

    python examples/benchmarks/cli_start.py [--repeats 9] [--out FOLDER]

Every command runs in processes of its own, which take turns, on 60 rows: its time is
that of its start. Seconds are medians, of the wall clock and of the processor: on a
machine that does other work as well, the second say more.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import report

import neuraleig

FIT = "--n-clusters 2 --hidden-sizes 8 --training.max-iter 1 --device cpu"
COMMANDS = {
    "--version": "--version",
    "--help": "--help",
    "fit --help": "fit --help",
    "segment fit --help": "segment fit --help",
    "a wrong option": "fit rows.npy --n-cluster 2",
    "completion of a word": "",
    "info": "info model",
    "name": "name model --name 0=gold -o named",
    "segment name": "segment name images --name 0=sky --merge 0,1 -o named",
    "predict": "predict model rows.npy",
    "evaluate": "evaluate model rows.npy",
    "fit": f"fit rows.npy -o new {FIT}",
}
COMPLETION = {
    "_NEURALEIG_COMPLETE": "complete_bash",
    "COMP_WORDS": "neuraleig fit --n",
    "COMP_CWORD": "2",
}
# Runs a command and shows what it has imported.
PROGRAM = (
    "import sys; from neuraleig.cli import main; main(sys.argv[1:]); "
    "sys.stderr.write(f'\\n{len(sys.modules)} {\"torch\" in sys.modules}')"
)


def prepare(folder: Path) -> None:
    """Rows, a model of rows and one of images."""
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(60, 2)) + 8 * (np.arange(60) % 2)[:, None]
    np.save(folder / "rows.npy", rows)
    model = neuraleig.NeuralEigenSpectralClustering(2, hidden_sizes=(8,))
    model.set_params(random_state=0, training__max_iter=1).fit(rows)
    neuraleig.save(model, folder / "model")
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, 48:] = generator.integers(0, 255, (64, 48, 3))
    segmenter = neuraleig.DenseSegmenter(2, backbone="color_texture", random_state=0)
    neuraleig.save(segmenter.fit([image]), folder / "images")


def run(program: list[str], title: str, folder: Path) -> tuple[float, float, str]:
    """Seconds of the wall clock and of the processor, and standard error."""
    more = COMPLETION if title.startswith("completion") else {}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *program, *COMMANDS[title].split()],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used, done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    arguments = parser.parse_args()
    seconds: dict[str, list[tuple[float, float]]] = {title: [] for title in COMMANDS}
    raw, rows = {}, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for _ in range(arguments.repeats):
            for title in COMMANDS:
                seconds[title].append(run(["-m", "neuraleig"], title, folder)[:2])
        for title, found in seconds.items():
            wall, used = map(statistics.median, zip(*found, strict=True))
            errors = run(["-c", PROGRAM], title, folder)[2]
            n_modules, has_torch = errors.rpartition("\n")[2].split()
            raw[title] = {"wall": wall, "processor": used, "modules": int(n_modules)}
            torch = "yes" if has_torch == "True" else "no"
            rows.append([title, f"{wall:.2f}", f"{used:.2f}", n_modules, torch])
    header = ["command", "seconds", "of the processor", "modules", "torch"]
    table = report.markdown(header, rows)
    report.write(arguments.out, "cli_start", "Starts of the command line", [table], raw)


if __name__ == "__main__":
    main()
