"""What could go wrong unseen in the scripts of the benchmarks."""

import argparse
import json
import pkgutil
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.nn.functional import avg_pool2d

from neuraleig import DenseSegmenter
from neuraleig._fit import STAGES
from neuraleig.segmentation import SegmentationDataset
from neuraleig.segmentation.inference import Lattice

SCRIPTS = Path(__file__).parents[2] / "examples" / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """The scripts import each other by name, from their own folder."""
    before = set(sys.modules)
    sys.path.insert(0, str(SCRIPTS))
    yield
    sys.path.remove(str(SCRIPTS))
    # Names such as "datasets" belong to other packages as well.
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCRIPTS)):
            del sys.modules[name]


def python(code):
    return [sys.executable, "-c", code]


def alive(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "zombie" not in status.read_text()


class TestChildren:
    def test_a_child_that_ends_has_no_failure(self, tmp_path):
        children = import_module("children")
        found = children.run(python("pass"), tmp_path / "log", children.Limits(30))
        assert found is None

    @pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
    def test_the_limit_kills_the_child_and_its_children(self, tmp_path):
        children = import_module("children")
        code = (
            "import subprocess, sys, time\n"
            "command = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
            "print(subprocess.Popen(command).pid, flush=True)\n"
            "time.sleep(60)"
        )
        start = time.monotonic()
        log = tmp_path / "log"
        found = children.run(python(code), log, children.Limits(2))
        assert found == "over 2 s"
        assert time.monotonic() - start < 10
        grandchild = int(log.read_text())
        for _ in range(50):
            if not alive(grandchild):
                break
            time.sleep(0.1)
        assert not alive(grandchild)

    @pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
    def test_a_child_over_its_memory_is_named(self, tmp_path):
        children = import_module("children")
        code = "x = bytearray(2**28); import time; time.sleep(60)"
        limits = children.Limits(30, mebibytes=100)
        assert children.run(python(code), tmp_path / "log", limits) == "over 100 MiB"

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("raise ValueError('a | b')", "fails: ValueError: a / b"),
            ("import os; os.kill(os.getpid(), 9)", "fails: killed by SIGKILL"),
            ("raise SystemExit(3)", "fails: without a word"),
        ],
    )
    def test_a_failure_is_named(self, code, reason, tmp_path):
        children = import_module("children")
        limits = children.Limits(30)
        assert children.run(python(code), tmp_path / "log", limits) == reason

    def test_what_a_killed_child_had_found_is_kept(self, tmp_path):
        children = import_module("children")
        folder = tmp_path / "cell"
        code = (
            f"import sys, time; sys.path.insert(0, {str(SCRIPTS)!r})\n"
            "import trial, pathlib\n"
            f"trial.Record(pathlib.Path({str(folder)!r})).add(fit_seconds=1.5)\n"
            "raise KeyError('later')"
        )
        command = python(code)
        found = children.run_once(command, folder, children.Limits(60))
        assert found == {"fit_seconds": 1.5, "failure": "fails: KeyError: 'later'"}
        # Not run again: the command does not exist.
        again = children.run_once(["/nonexistent"], folder, children.Limits(1))
        assert again == found


class TestAblation:
    def test_parts_that_are_changed_are_there(self):
        """They are named by strings, which no import checks."""
        ablation = import_module("ablation")
        for changes in (ablation.NO_ROUNDS, ablation.UNPLACED, ablation.NO_REFIT):
            for target in changes:
                assert pkgutil.resolve_name(f"neuraleig.{target}") is not None

    def test_a_reading_without_a_network_labels_new_rows(self):
        ablation, datasets = import_module("ablation"), import_module("datasets")
        data = datasets.load("iris", 0)
        train, test = ablation.exact()(data, 0)
        assert train.shape == data.y_train.shape and test.shape == data.y_test.shape
        assert set(test) <= set(train) == {0, 1, 2}


class TestCompare:
    def test_every_seed_has_a_split_and_the_first_split_has_every_seed(self):
        compare = import_module("compare")
        assert compare.plan("iris", 3) == [(0, 0), (0, 1), (0, 2), (1, 1), (2, 2)]
        assert compare.plan("mnist", 2) == [(0, 0), (0, 1)]

    def test_resuming_with_other_limits_is_refused(self, tmp_path):
        compare = import_module("compare")
        work = tmp_path / "work"
        compare.prepare(work, {"limit": 1}, resume=False)
        (work / "kept").touch()
        compare.prepare(work, {"limit": 1}, resume=True)
        assert (work / "kept").exists()
        with pytest.raises(SystemExit, match="--resume"):
            compare.prepare(work, {"limit": 2}, resume=True)
        compare.prepare(work, {"limit": 2}, resume=False)
        assert not (work / "kept").exists()

    def test_a_folder_with_other_files_is_not_emptied(self, tmp_path):
        compare = import_module("compare")
        (tmp_path / "mine").touch()
        with pytest.raises(SystemExit, match="--work"):
            compare.prepare(tmp_path, {}, resume=False)
        assert (tmp_path / "mine").exists()


class TestTables:
    def test_failures_are_named_beside_means(self):
        tables = import_module("compare_tables")
        assert tables.mean_text([1.0, 3.0], ".1f") == "2.0"
        assert tables.mean_text(["over 3 s", "over 3 s"], ".1f") == "over 3 s"
        assert tables.mean_text([1.0, "over 3 s"], ".1f") == "1.0 (1 of 2: over 3 s)"

    def test_cut_ratios(self):
        tables = import_module("compare_tables")
        assert tables.cut_ratio(0.3, 0.2) == "1.500"
        assert tables.cut_ratio(0.0, 0.0) == "1.000 (no cut)"
        assert tables.cut_ratio(0.3, 0.0) == "0.300 / 0"

    def test_a_method_that_failed_has_a_cell_in_every_table(self):
        tables = import_module("compare_tables")
        base = {"set": "s", "split": 0, "failure": None}
        numbers = dict.fromkeys((key for key, _, _ in tables.MEASURES), 0.5)
        memory = {"fit_mebibytes": 3.0, "load_mebibytes": 1.0, "ncut": 0.2}
        cells = []
        for seed in (0, 1):
            good = base | {"seed": seed, "method": tables.EXACT} | numbers | memory
            bad = base | {"seed": seed, "method": "bad", "failure": "over 3 s"}
            cells += [good | dict.fromkeys(("stability", "train_stability"), 1.0), bad]
        found = tables.tables(cells, ["s"], [tables.EXACT, "bad"])
        for table in found[1:]:
            assert table.splitlines()[2].endswith("| over 3 s |"), table


class TestPeers:
    def test_exponent_of_a_power(self):
        plot = import_module("peers_plot")
        sizes = [10_000, 30_000, 100_000]
        assert plot.exponent(sizes, [3 * n**1.5 for n in sizes]) == pytest.approx(1.5)

    def test_exponent_leaves_out_small_sizes_and_zeros(self):
        plot = import_module("peers_plot")
        sizes = [100, 1_000, 10_000, 20_000]
        assert plot.exponent(sizes, [9, 9, 1, 4]) == pytest.approx(2)
        assert plot.exponent(sizes, [1, 10, 0, 0]) == pytest.approx(1)
        assert plot.exponent([1_000], [1.0]) is None

    def test_labels_are_kept_apart_in_their_order(self):
        plot = import_module("peers_plot")
        placed = plot.spread({"a": 0.5, "b": 0.49, "c": 0.9})
        assert list(placed) == ["b", "a", "c"]
        assert min(np.diff(list(placed.values()))) >= plot.LABEL_GAP - 1e-12

    def test_chunks_on_the_disk_are_the_rows_in_memory(self, tmp_path, monkeypatch):
        datasets = import_module("datasets")
        shapes, trial = import_module("shapes"), import_module("trial")
        monkeypatch.setattr(datasets, "CHUNK_ROWS", 97)
        monkeypatch.setattr(shapes, "HELD_OUT", 150)
        shapes.Shape(333, 8).write(tmp_path, None, seed=1)
        data = trial.read_split(tmp_path, memmap=True)
        X, y = datasets.clusters_with_outliers(483, 8, seed=1)
        assert isinstance(data.X_train, np.memmap)
        np.testing.assert_array_equal(np.concatenate([data.X_train, data.X_test]), X)
        np.testing.assert_array_equal(np.concatenate([data.y_train, data.y_test]), y)
        assert data.n_classes == datasets.N_CLUSTERS

    def test_shapes_are_parsed_and_written(self, tmp_path, monkeypatch):
        shapes, trial = import_module("shapes"), import_module("trial")
        monkeypatch.setattr(shapes, "HELD_OUT", 50)
        assert shapes.Shape.parsed("1000x64") == shapes.Shape(1000, 64, 20)
        for source in shapes.DRAWN:
            shape = shapes.Shape.parsed(f"{source}:300x5x4")
            shape.write(tmp_path / source, None)
            data = trial.read_split(tmp_path / source)
            assert (data.X_train.shape, data.X_test.shape) == ((300, 5), (50, 5))
            assert data.n_classes == shape.n_clusters == 4
        for text in ("1000", "1000x", "nothing:10x2"):
            with pytest.raises(argparse.ArgumentTypeError, match="ROWSxFEATURES"):
                shapes.Shape.parsed(text)

    def test_aims_are_met_or_not(self):
        peers = import_module("peers")
        assert peers.ratio_text(None, 5.0) == "-"
        assert peers.ratio_text(3.0, None) == "3.00"
        assert peers.ratio_text(5.0, 5.0) == "5.00 (aim 5: met)"
        assert peers.ratio_text(0.5, 0.4) == "0.50 (aim 0.4: not met)"

    def test_ratios_are_those_of_medians(self):
        peers, shapes = import_module("peers"), import_module("shapes")
        shape = shapes.Shape(1_000, 64)
        base = {"set": shape.slug, "failure": None}
        times = {"ours": [2.0, 9.0, 1.0], peers.SPECTRAL: [0.1, 0.5, 7.0]}
        cells = [
            base | {"method": name, "seed": seed, "fit_seconds": seconds}
            for name, found in times.items()
            for seed, seconds in enumerate(found)
        ]
        cells.append({"set": shape.slug, "method": "bad", "failure": "over 3 s"})
        found = peers.ratios(cells, [shape], [peers.SPECTRAL, "bad", "ours"])
        assert found.splitlines()[2] == "| 1,000 x 64, 20 | 4.00 (aim 5: met) | - |"

    def test_methods_are_skipped_by_the_names_of_what_they_lack(self, monkeypatch):
        compare = import_module("compare")
        monkeypatch.setitem(compare.NEEDS, "absent", ("json", "no_such_module"))
        found = compare.found_of("absent", None, None, 0, {}, argparse.Namespace())
        assert found == {"failure": "not run: needs no_such_module"}


class TestStages:
    def test_columns_add_up_to_the_fit(self):
        stages = import_module("stages_one")
        rows = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
        start = time.perf_counter()
        _, _, times = stages.timed_fit(rows, 2, 0, "cpu")
        elapsed = time.perf_counter() - start
        # Heads by least squares know these rows.
        expected = set(stages.COLUMNS) - {stages.TUNING}
        assert set(times.wall) == set(times.processor) == expected
        # What is outside is the making of the estimator.
        assert 0.5 * elapsed < sum(times.wall.values()) <= elapsed
        assert all(seconds >= 0 for seconds in times.wall.values())

    def test_stages_are_those_of_the_library(self):
        stages = import_module("stages_one")
        assert set(stages.STAGES) == set(STAGES["spectral"])
        assert set(stages.BEFORE) < set(stages.STAGES)

    def test_least_costs_are_saved_as_they_are_found(self, tmp_path):
        stages, trial = import_module("stages_one"), import_module("trial")
        data = trial.warm_up_set()
        model, history, _ = stages.timed_fit(data.X_train, 3, 0, "cpu")
        record = trial.Record(tmp_path)
        stages.measure_floors(record, data.X_train, model, history, "cpu")
        floors = trial.read_json(tmp_path / "found.json")["floors"]
        missing = {stages.THINNED, stages.DENSITY, stages.REST}
        assert set(floors) == set(stages.COLUMNS) - missing

    def test_a_fit_over_its_limit_has_a_line(self):
        stages, shapes = import_module("stages"), import_module("shapes")
        shape = shapes.Shape(10, 2)
        cells = [{"set": shape.slug, "seed": 0, "failure": "over 3 s"}]
        for table in stages.tables(cells, [shape]):
            assert table.splitlines()[2].startswith("| 10 x 2, 20 | - |")
        assert "over 3 s" in table


class TestSegments:
    def test_clips_are_compared_seed_by_seed(self):
        tables = import_module("segments_tables")
        scores = {"k": 27, "plain": [0.5, 0.2], "refined": [0.5, 0.2], "single": 0}
        found = [
            scores | {"method": "base", "seed": 0, "clips": [0.1, 0.2]},
            scores | {"method": "new", "seed": 0, "clips": [0.2, 0.15]},
            scores | {"method": "new", "seed": 1, "clips": [0.9, 0.9]},
        ]
        by_clip = tables.tables(found, "base")[4].splitlines()
        assert by_clip[2:] == [
            "| base | 15.0 ± 0.0 (1) |",
            "| new | 53.8 ± 36.2 (2), +2.5, 1 of 2 |",
        ]

    def test_every_stage_is_right_where_classes_are_plain(self, tmp_path):
        stages = import_module("segments_stages")
        generator = np.random.default_rng(0)
        data = SegmentationDataset([], [], class_names=("dark", "bright"))
        for number in range(8):
            mask = np.zeros((48, 64), np.uint8)
            mask[:, : 16 + 8 * (number % 4)] = 1
            image = 40 + 160 * mask[..., None] + generator.integers(0, 9, (48, 64, 3))
            for name, array in (("image", image.astype(np.uint8)), ("mask", mask)):
                path = tmp_path / f"{name}{number}.png"
                Image.fromarray(array).save(path)
                (data.images if name == "image" else data.masks).append(path)
        model = DenseSegmenter(
            2, backbone=lambda images: avg_pool2d(images, 8), random_state=0
        )
        with stages.recorded() as known:
            model.fit(data.images[:6])
        own, others = data.subset(range(6)), data.subset([6, 7])
        found = stages.by_stage(model, known, own, others, labelled=1)
        assert list(found) == list(stages.STAGES)
        assert set(found.values()) == {1.0}
        # Labels of the graph are scored, and not those of the network again.
        known["labels"] = np.zeros_like(known["labels"])
        worse = stages.by_stage(model, known, own, others, labelled=1)
        assert worse == {**found, stages.GRAPH: worse[stages.GRAPH]}
        assert worse[stages.GRAPH] < 0.5

    def test_a_token_has_the_class_of_most_of_its_pixels(self):
        stages = import_module("segments_stages")
        mask = np.array([[0, 1, 1, 2], [1, 255, 2, 0], [255, 255, 0, 0]])
        found = stages.token_classes(mask, Lattice.of(3, 4, 2), 3)
        assert found.tolist() == [[1, 2], [255, 0]]
        # The picture is seen at twice its size.
        again = stages.token_classes(mask, Lattice.of(6, 8, 4), 3)
        assert (again == found).all()

    def test_results_of_other_settings_are_not_mixed(self, tmp_path):
        segments = import_module("segments")
        options = argparse.Namespace(
            dataset="camvid",
            backbone="a",
            layers=None,
            image_size=32,
            limit=3,
            output=tmp_path,
            name="x",
        )
        (tmp_path / "x.json").write_text(json.dumps([{"setting": "a"}]))
        assert segments.setting_of(options) == "camvid, a, 32 pixels, 3 pictures"
        with pytest.raises(SystemExit, match="--name"):
            segments.known_results(options, segments.setting_of(options))
        options.resume = True
        assert segments.known_results(options, "a") == [{"setting": "a"}]


class TestSuite:
    def test_the_best_reference_counts_and_noise_does_not(self):
        suite = import_module("suite")
        truth = np.array([1, 1, 2, 2, 0, 0])
        other = np.array([1, 2, 3, 1, 2, 3])

        def method(X, n_clusters, seed):
            assert len(X) == len(truth)
            return np.array([0, 0, 1, 1, 0, 1]) if n_clusters == 2 else np.arange(6) % 2

        score = suite.score(method, np.zeros((6, 1)), [other, truth], 0)
        assert score == 1.0
        assert suite.score(method, np.zeros((6, 1)), [other], 0) < 0.5

    def test_sets_are_read_with_all_their_references(self, tmp_path):
        suite = import_module("suite")
        X, y = np.eye(3, dtype=np.float32), np.array([1, 2, 0], dtype=np.int16)
        np.savez(tmp_path / "one.npz", X=X, labels0=y, labels1=y[::-1])
        ((name, rows, references),) = suite.files(tmp_path)
        assert (name, rows.dtype) == ("one", np.float64)
        np.testing.assert_array_equal(references, [y, y[::-1]])

    def test_what_is_behind_is_named(self):
        suite = import_module("suite")
        runs = {
            "ahead": {"ours": [1.0, 0.8], "SpectralClustering": [0.5, 0.5]},
            "behind": {"ours": [0.5, 0.5], "SpectralClustering": [1.0, 1.0]},
        }
        ahead, behind, mean = suite.table(runs).splitlines()[2:]
        assert ahead == "| ahead | 0.900 | 0.500 | 0.800 |  |"
        assert behind == "| behind | 0.500 | 1.000 | 0.500 | 0.500 |"
        assert mean.startswith("| mean | 0.700 | 0.750 |")
