"""Customers in a CSV file: one command from the file to clusters and a report.

    python examples/benchmarks/story_customers.py [--seed 0] [--json FILE]
        [--keep FOLDER]

The table is made up: 5,000 customers of five kinds, with columns in years, euros,
orders, shares and days, a plan and a region in words, an id, and empty cells. Kinds are
known here, so that clusters can be compared with them; the command sees none of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

N_CUSTOMERS = 5_000
# Share, typical age, income, orders per year, share of returns and days since the last
# order; and shares of the plans.
KINDS = {
    "students": (0.25, 23, 14_000, 6, 0.10, 40, (0.8, 0.2, 0.0)),
    "families": (0.30, 41, 52_000, 24, 0.25, 12, (0.1, 0.6, 0.3)),
    "bargain hunters": (0.20, 35, 33_000, 40, 0.60, 8, (0.5, 0.4, 0.1)),
    "retired": (0.15, 69, 28_000, 4, 0.05, 60, (0.3, 0.7, 0.0)),
    "companies": (0.10, 45, 210_000, 90, 0.08, 5, (0.0, 0.1, 0.9)),
}
PLANS, REGIONS = ("free", "plus", "business"), ("north", "east", "south", "west")
NUMBERS = ["age", "income", "orders", "returns", "days_since_order"]
CATEGORIES = ["plan", "region"]
# Cells of every column but the id that are empty.
EMPTY = 0.03


def customers(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Table of customers, and their kinds."""
    rng = np.random.default_rng(seed)
    shares, *typical, plans = zip(*KINDS.values(), strict=True)
    kinds = rng.choice(len(KINDS), size=N_CUSTOMERS, p=shares)
    age, income, orders, returns, days = np.array(typical, dtype=float)[:, kinds]
    n = N_CUSTOMERS
    table = pd.DataFrame(
        {
            "customer_id": [f"C{number:05d}" for number in rng.permutation(n)],
            "age": np.clip(np.round(age + rng.normal(0, 6, n)), 16, 99),
            "income": np.round(income * rng.lognormal(0, 0.25, n), -2),
            "orders": rng.poisson(orders * rng.gamma(12, 1 / 12, n)),
            "returns": np.round(rng.beta(20 * returns, 20 * (1 - returns)), 2),
            "days_since_order": np.round(rng.gamma(4, days / 4)),
            "plan": [rng.choice(PLANS, p=plans[kind]) for kind in kinds],
            "region": rng.choice(REGIONS, size=n),
        }
    )
    for name in table.columns[1:]:
        table[name] = table[name].mask(rng.random(n) < EMPTY)
    return table, kinds


def scaled_kmeans(table: pd.DataFrame, seed: int) -> np.ndarray:
    """k-means on numbers divided by their deviations, and a column per category."""
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
        (OneHotEncoder(), CATEGORIES),
    )
    kmeans = KMeans(len(KINDS), n_init=10, random_state=seed)
    return make_pipeline(prepared, kmeans).fit_predict(table)


def run(folder: Path, seed: int) -> dict[str, float]:
    """Run the command in a folder, and compare its clusters with the kinds."""
    table, kinds = customers(seed)
    table.to_csv(folder / "customers.csv", index=False)
    line = (
        "fit customers.csv -o customers.safetensors --n-clusters 5 --scale --impute "
        "--categorical plan,region --keep customer_id --predict clusters.csv --report "
        f"customers.html --random-state {seed}"
    )
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "neuraleig", *line.split()], check=True, cwd=folder
    )
    seconds = time.perf_counter() - start
    found = pd.read_csv(folder / "clusters.csv")
    # Rows are named by their ids.
    clusters = found.set_index("customer_id")["label"].loc[table["customer_id"]]
    return {
        "seconds": seconds,
        "ari": float(adjusted_rand_score(kinds, clusters)),
        "ari_scaled_kmeans": float(
            adjusted_rand_score(kinds, scaled_kmeans(table, seed))
        ),
        "report_kB": (folder / "customers.html").stat().st_size / 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--keep", type=Path, help="folder for all files")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = run(folder, arguments.seed)
    for name, value in figures.items():
        print(f"{name}: {value:.3f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
