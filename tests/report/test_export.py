import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lbtui.report import CannotExport, export
from lbtui.sources import open_profile

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "lbtui" / "demo" / "output"
DATA = ROOT / "tests" / "data"
HEAT = ["instance", "view", "period", "layer", "column", "tokens", "share", "relative", "phase"]


def exported(path, folder, file_format="csv"):
    return {w.path.name: w.rows for w in export(open_profile(path), folder, file_format)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "new" / "folder"
    exported(DEMO, folder)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    assert list(exported(DATA / "pd_ep_png", folder)) == ["expert_heat.csv"]
    return pl.read_csv(folder / "expert_heat.csv", infer_schema_length=None)


def test_steps_are_those_of_forward_csv(demo):
    steps = pl.read_csv(demo / "steps.csv", infer_schema_length=None)
    raw = pl.read_csv(DEMO / "forward.csv", infer_schema_length=None)
    assert steps.height == raw.height
    both = steps.join(raw, on=["prof_id", "forward_iter"], suffix="_raw")
    assert both.height == raw.height
    assert (both["batch_size"] == both["batch_size_raw"]).all()
    # Upstream writes `2026-01-01 08:00:00:057811`.
    assert (
        both["start"].str.replace("T", " ").str.slice(0, 19) == both["start_datetime"].str.slice(0, 19)
    ).all()
    assert (both["start"].str.slice(20, 6) == both["start_datetime"].str.slice(20, 6)).all()
    assert both["start"].str.ends_with("+08:00").all()


def test_heat_from_profiler_db_is_exact(demo):
    heat = pl.read_csv(demo / "expert_heat.csv", infer_schema_length=None)
    assert heat.columns == HEAT
    last, period = {}, defaultdict(lambda: -1)
    with closing(sqlite3.connect(f"file:{DEMO / 'profiler.db'}?mode=ro&immutable=1", uri=True)) as db:
        rows = db.execute(
            "SELECT name, args FROM slice WHERE name IN ('expert_hot', 'expert_routing') "
            "ORDER BY timestamp, id"
        )
        for name, args in rows:
            fields = json.loads(args)
            rank = fields["rank"]
            if name == "expert_routing":
                period[rank] += 1
            else:
                # Counts grow within a period: its last row is its sum.
                last[period[rank], rank] = np.array(fields["expert_hot"])
    periods = sorted({p for p, _rank in last})
    assert periods == [0, 1, 2]
    for p in periods:
        ranks = [last[p, rank] for rank in sorted(r for q, r in last if q == p)]
        for view, tokens in (
            ("expert", np.concatenate(ranks, axis=1)),
            ("rank", np.stack([r.sum(axis=1) for r in ranks], axis=1)),
        ):
            cells = heat.filter(period=p, view=view).sort("layer", "column")
            assert (cells["tokens"].to_numpy().reshape(tokens.shape) == tokens).all()
            shares = cells["share"].to_numpy().reshape(tokens.shape)
            assert np.allclose(shares, tokens / tokens.sum(axis=1, keepdims=True), rtol=0, atol=1e-15)


@pytest.mark.parametrize("period", [0, 1, 2])
@pytest.mark.parametrize("view", ["rank", "expert", "model_expert"])
def test_heat_from_pictures_alone_is_near_the_truth(pictures, view, period):
    truth = np.load(DATA / "truth" / f"pd_ep_p{period}_by_{view}.npy")
    cells = pictures.filter(period=period, view=view).sort("layer", "column")
    assert cells.height == truth.size
    shares = cells["share"].to_numpy().reshape(truth.shape)
    span = truth.max() - truth.min()
    assert np.abs(shares - truth).max() <= 1.3 / 256 * span
    assert abs(shares.min() - truth.min()) <= 1.3 / 256 * span
    assert pictures.columns == HEAT
    assert cells["tokens"].null_count() == cells.height


def test_parquet_holds_the_same_as_csv(demo, tmp_path):
    written = exported(DEMO, tmp_path, "parquet")
    assert set(written) == {f"{path.stem}.parquet" for path in demo.iterdir()}
    for name, rows in written.items():
        frame = pl.read_parquet(tmp_path / name)
        text = pl.read_csv(demo / f"{Path(name).stem}.csv", infer_schema=False)
        assert (frame.height, frame.columns) == (rows, text.columns)
        assert text.height == rows
    starts = pl.read_parquet(tmp_path / "steps.parquet")["start"]
    assert starts.dtype == pl.Datetime("us", "UTC")
    first = pl.read_csv(demo / "steps.csv", infer_schema=False)["start"].str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.6f%z", time_unit="us"
    )
    assert (starts == first.dt.convert_time_zone("UTC")).all()


def test_refuses_to_overwrite_and_then_writes_nothing(tmp_path):
    (tmp_path / "nodes.csv").write_text("mine")
    with pytest.raises(CannotExport, match=r"nodes\.csv"):
        list(export(open_profile(DATA / "pd_ep"), tmp_path, "csv"))
    assert [p.name for p in tmp_path.iterdir()] == ["nodes.csv"]
    assert (tmp_path / "nodes.csv").read_text() == "mine"


def test_a_folder_that_is_a_file_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotExport, match="cannot be written"):
        list(export(open_profile(DATA / "pd_ep"), tmp_path / "file", "csv"))


def test_a_write_that_fails_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    def full(frame, file, *args, **kwargs):
        file.write(b"part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(CannotExport, match="No space left"):
        list(export(open_profile(DATA / "pd_ep"), tmp_path, "csv"))
    assert list(tmp_path.iterdir()) == []
