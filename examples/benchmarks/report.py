"""Tables and files that the benchmarks write."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import packages_distributions, version
from pathlib import Path

import numpy as np
import scipy
import sklearn
import torch


def machine() -> str:
    """One line that names the machine and the versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return (
        f"{cores or os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}, torch {torch.__version__}, scikit-learn "
        f"{sklearn.__version__}, numpy {np.__version__}, scipy {scipy.__version__}, "
        f"{torch.get_num_threads()} threads"
    )


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def version_text(package: str) -> str:
    """Name and version of a package by one of its modules; one may be absent."""
    names = packages_distributions().get(package, [])
    return f"{names[0]} {version(names[0])}" if names else f"no {package}"


def device_text(device: str) -> str:
    """Device of torch, and what it is."""
    if device == "cpu" or not torch.cuda.is_available():
        return device
    return f"{device} ({torch.cuda.get_device_name(device)})"


def write(
    folder: Path,
    name: str,
    title: str,
    tables: list[str],
    raw: object,
    also: str | None = None,
) -> None:
    """Write ``name.md`` with the tables and ``name.json`` with every number.

    ``also`` goes on the line of the machine and the versions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    line = machine() if also is None else f"{machine()}, {also}"
    text = "\n\n".join([f"# {title}", line, *tables]) + "\n"
    (folder / f"{name}.md").write_text(text)
    (folder / f"{name}.json").write_text(json.dumps(raw, indent=1) + "\n")
    print(text)
