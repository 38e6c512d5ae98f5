import csv
import json
import os
import shutil
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lbtui.output import CannotWrite
from lbtui.report import CannotExport, export
from lbtui.report.export import defuse
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


def expert_marks():
    """Yield name, rank and fields of the demo's expert marks in order of time, from profiler.db itself."""
    with closing(sqlite3.connect(f"file:{DEMO / 'profiler.db'}?mode=ro&immutable=1", uri=True)) as db:
        rows = db.execute(
            "SELECT name, args FROM slice WHERE name IN ('expert_hot', 'expert_routing') "
            "ORDER BY timestamp, id"
        )
        for name, args in rows:
            fields = json.loads(args)
            yield name, fields["rank"], fields


def test_heat_from_profiler_db_is_exact(demo):
    heat = pl.read_csv(demo / "expert_heat.csv", infer_schema_length=None)
    assert heat.columns == HEAT
    last, period = {}, defaultdict(lambda: -1)
    for name, rank, fields in expert_marks():
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


def test_with_force_what_was_there_is_replaced_and_nothing_of_before_is_left(tmp_path):
    demo, pd_ep = open_profile(DEMO), open_profile(DATA / "pd_ep")
    elsewhere = tmp_path / "mine"
    elsewhere.write_text("mine")
    out = tmp_path / "out"
    list(export(demo, out, "csv"))
    (out / "nodes.csv").unlink()
    (out / "nodes.csv").symlink_to(elsewhere)
    written = {w.path.name: w.rows for w in export(pd_ep, out, "csv", force=True)}
    assert written["nodes.csv"] == len((out / "nodes.csv").read_text().splitlines()) - 1 > 0
    # What pd_ep has no rows of is empty now, not the demo's.
    assert written["expert_heat.csv"] == 0
    assert (out / "expert_heat.csv").read_text().splitlines() == [",".join(HEAT)]
    assert elsewhere.read_text() == "mine"
    assert not (out / "nodes.csv").is_symlink()
    assert sorted(path.name for path in out.iterdir()) == sorted(written)


def test_a_write_that_fails_leaves_what_it_was_to_replace(tmp_path, monkeypatch):
    (tmp_path / "nodes.csv").write_text("mine")

    def full(frame, file, *args, **kwargs):
        file.write(b"part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(CannotWrite, match="No space left"):
        list(export(open_profile(DATA / "pd_ep"), tmp_path, "csv", force=True))
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("nodes.csv", "mine")]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
@pytest.mark.parametrize("force", [False, True])
def test_files_have_the_mode_of_the_umask(tmp_path, umask, force):
    before = os.umask(umask)
    try:
        files = [w.path for w in export(open_profile(DATA / "pd_ep"), tmp_path / "new", "csv", force=force)]
    finally:
        os.umask(before)
    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o666 & ~umask}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o777 & ~umask


def test_cells_that_a_spreadsheet_would_execute_are_defused_and_counted(tmp_path):
    folder, out = tmp_path / "output", tmp_path / "out"
    folder.mkdir()
    with (DATA / "pd_ep" / "request.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    place = header.index("http_rid")
    formulas = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)"]
    harmless = ["a=1", "'=1", "1-1", ""]
    for row, text in zip(rows, formulas + harmless, strict=False):
        row[place] = text
    with (folder / "request.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    written = {w.path.name: w.defused for w in export(open_profile(folder), out, "csv")}
    with (out / "requests.csv").open(newline="") as file:
        texts = [row["request_id"] for row in csv.DictReader(file)]
    assert written["requests.csv"] == len(formulas)
    assert {"'" + text for text in formulas} <= set(texts)
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@"))]
    assert {"a=1", "'=1", "1-1"} <= set(texts)
    # Parquet is read by programs, which get what the file says.
    exported(folder, tmp_path / "parquet", "parquet")
    assert set(formulas) <= set(pl.read_parquet(tmp_path / "parquet" / "requests.parquet")["request_id"])


def test_numbers_stay_numbers_however_they_begin():
    frame = pl.DataFrame(
        {"n": [-1, 2, 3], "f": [-0.5, None, 1.0], "s": ["-1", None, "\t=1"], "t": ["\r", "", "a"]}
    )
    changed, count = defuse(frame)
    assert count == 3
    assert changed.rows() == [(-1, -0.5, "'-1", "'\r"), (2, None, None, ""), (3, 1.0, "'\t=1", "a")]


@pytest.mark.parametrize("before", ["", " ", "\u200b", "\ufeff", "\u2060\u00a0", "\n", "\u3000\u200d"])
@pytest.mark.parametrize("sign", [*"=+-@|＝＋－＠", "\t", "\r"])
def test_signs_in_every_width_and_behind_what_is_not_seen_are_defused(before, sign):
    changed, count = defuse(pl.DataFrame({"s": [f"{before}{sign}1", f"a{before}{sign}1", None]}))
    assert count == 1
    assert changed["s"].to_list() == [f"'{before}{sign}1", f"a{before}{sign}1", None]


def test_no_name_in_the_data_leads_out_of_the_folder(tmp_path):
    folder = tmp_path / "a" / "output"
    shutil.copytree(DATA / "pd_ep", folder)
    for path in folder.glob("*.csv"):
        path.write_bytes(path.read_bytes().replace(b"10.20.0.12:1025", b"../../../x"))
    for picture in (DATA / "pd_ep_png").glob("*_0_*.png"):
        shutil.copy(picture, folder / picture.name.replace("mindie-server-d0", "..%2f..%2f..\\x"))
    before = set(tmp_path.rglob("*"))
    written = exported(folder, tmp_path / "a" / "out")
    assert {"nodes.csv", "expert_heat.csv"} <= set(written)
    assert "../../../x" in (tmp_path / "a" / "out" / "nodes.csv").read_text()
    new = {str(path.relative_to(tmp_path)) for path in {*tmp_path.rglob("*")} - before}
    assert new == {"a/out", *(f"a/out/{name}" for name in written)}


def test_a_folder_that_is_a_file_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="cannot be written"):
        list(export(open_profile(DATA / "pd_ep"), tmp_path / "file", "csv"))


def test_a_write_that_fails_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    def full(frame, file, *args, **kwargs):
        file.write(b"part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(CannotWrite, match="No space left"):
        list(export(open_profile(DATA / "pd_ep"), tmp_path, "csv"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_heat_by_iteration_is_the_rows_own_differences(tmp_path, file_format):
    """Recomputed from profiler.db's rows: counts of a rank less those of its row before in the period."""
    expected = {}
    before, period, number = {}, defaultdict(lambda: -1), defaultdict(int)
    for name, rank, fields in expert_marks():
        if name == "expert_routing":
            period[rank] += 1
            before[rank] = 0
        else:
            counts = np.array(fields["expert_hot"])
            expected[number[rank], rank] = (period[rank], counts - before[rank])
            before[rank] = counts
            number[rank] += 1
    written = list(export(open_profile(DEMO), tmp_path, file_format, per_iteration=True))
    path = tmp_path / f"expert_heat.{file_format}"
    heat = pl.read_csv(path, infer_schema_length=None) if file_format == "csv" else pl.read_parquet(path)
    assert next(w.rows for w in written if w.path == path) == heat.height
    assert heat.columns == [*HEAT[:3], "iteration", *HEAT[3:]]
    ranks = sorted({rank for _iteration, rank in expected})
    for iteration in range(max(number.values())):
        parts = [expected[iteration, rank] for rank in ranks]
        tokens = np.concatenate([counts for _period, counts in parts], axis=1)
        cells = heat.filter(iteration=iteration, view="expert").sort("layer", "column")
        assert set(cells["period"]) == {parts[0][0]}
        assert np.array_equal(cells["tokens"].to_numpy().reshape(tokens.shape), tokens)
        by_rank = heat.filter(iteration=iteration, view="rank").sort("layer", "column")
        sums = np.stack([counts.sum(axis=1) for _period, counts in parts], axis=1)
        assert np.array_equal(by_rank["tokens"].to_numpy().reshape(sums.shape), sums)
        shares = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)
        known = sums.sum(axis=1) > 0
        found = by_rank["share"].to_numpy().reshape(sums.shape)
        assert np.allclose(found[known], shares[known], rtol=0, atol=1e-15)
        assert by_rank["relative"].drop_nulls().is_between(0, 1).all()
        by_model = heat.filter(iteration=iteration, view="model_expert")
        assert by_model["tokens"].sum() == tokens.sum()
    plain = {w.path.name for w in export(open_profile(DEMO), tmp_path / "plain", file_format)}
    assert {w.path.name for w in written} == plain


def test_without_iterations_heat_is_written_by_period(tmp_path):
    list(export(open_profile(DATA / "pd_ep_png"), tmp_path, "csv", per_iteration=True))
    assert pl.read_csv(tmp_path / "expert_heat.csv").columns == HEAT
