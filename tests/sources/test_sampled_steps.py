"""A sample of the steps of a large forward table: each block has the steps that all passes have there."""

import gzip

import numpy as np
import polars as pl
import pytest

from lbtui.analysis.data_parallel import domain_steps
from lbtui.profile import Silent
from lbtui.sources import open_profile
from lbtui.sources.steps import forward_csv, forward_database, large_forward, sampled, scheduling
from tests.bench.inputs import write_forward
from tests.sources.made import Service, write
from tests.sources.recorded import lay_out

ROWS = 12_000


@pytest.fixture
def small(monkeypatch):
    """As if tables of some thousand passes were large."""
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(large_forward, "LARGE_TABLE", 0)
    monkeypatch.setattr(sampled, "_ROWS", 4000)
    monkeypatch.setattr(scheduling, "_HEAD", 2000)
    monkeypatch.setattr(sampled, "_SECONDS", 600)
    for where in (forward_csv, forward_database):
        monkeypatch.setattr(where, "LEAST_TIMES", 1)


def held_of(folder):
    """Return the steps of all passes, held at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_forward, "LARGE_FORWARD", 1 << 60)
        patch.setattr(large_forward, "LARGE_TABLE", 1 << 60)
        return domain_steps(open_profile(folder).load("steps").frame)


def of_block(steps, sample, block):
    start = pl.col("start").cast(pl.Int64)
    return (
        steps.filter(start >= sample.begins[block], start < sample.ends[block])
        .select(
            pl.col("domain", "phase").cast(pl.String), "start", "end", "batch_size", "forward_iter", "cards"
        )
        .sort("domain", "start")
    )


def in_database(folder):
    """Put forward.csv into profiler.db in its place."""
    import sqlite3

    rows = pl.read_csv(folder / "forward.csv", infer_schema=False)
    with sqlite3.connect(folder / "profiler.db") as database:
        names = ", ".join(f'"{name}"' for name in rows.columns)
        database.execute(f"CREATE TABLE forward ({names})")
        database.executemany(f"INSERT INTO forward VALUES ({','.join('?' * rows.width)})", rows.rows())
    (folder / "forward.csv").unlink()


@pytest.mark.parametrize("kind", ["csv", "database"])
def test_blocks_have_the_steps_that_begin_in_them(small, tmp_path, kind):
    write_forward(tmp_path, ROWS)
    if kind == "database":
        in_database(tmp_path)
    sample = open_profile(tmp_path).sample_steps()
    exact = held_of(tmp_path)
    assert len(sample.begins) == 20  # six passes of each of 32 processes
    assert 0.3 < sample.share < 0.35
    assert sample.window == (int(exact["start"].cast(pl.Int64).min()), int(exact["end"].cast(pl.Int64).max()))
    compared = 0
    for block in range(len(sample.begins)):
        own = sample.steps.filter(pl.col("block") == block)
        wanted = of_block(exact, sample, block)
        found = of_block(own, sample, block)
        assert found.height == own.height
        # Of steps that go on behind the block cards may lack, and so be a little shorter.
        last = wanted.group_by("domain").agg(pl.col("start").max())
        whole, kept = (frame.join(last, on=["domain", "start"], how="anti") for frame in (wanted, found))
        # The first ones began before it, with some of their cards.
        late = whole.join(kept, on=["domain", "start"], how="anti")
        assert kept.equals(whole.join(late, on=["domain", "start"], how="anti"))
        assert late.height <= 8
        compared += kept.height
    assert compared > 20 * 8 * 3


def test_real_output_is_sampled_with_its_domains(small, monkeypatch, tmp_path):
    folder = lay_out(tmp_path, "mindie_tp4/forward.csv", "mindie_tp4/batch.csv")
    monkeypatch.setattr(sampled, "_ROWS", 1000)
    sample = open_profile(folder).sample_steps()
    exact = held_of(folder)
    assert set(sample.steps["domain"].cast(pl.String)) == set(exact["domain"])
    found = sample.steps.select("start", "batch_size", domain=pl.col("domain").cast(pl.String))
    joined = found.join(exact.select("domain", "start", wanted="batch_size"), on=["domain", "start"])
    assert joined.height > 0.9 * found.height > 50
    assert joined["batch_size"].equals(joined["wanted"], check_names=False)


def unsorted(path):
    header, *lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([header, *lines[6000:], *lines[:6000]]))


def packed(path):
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def open_quote(path):
    data = path.read_text()
    path.write_text(data.replace("Decode", 'Deco"de', 1))


def without_sizes(path):
    rows = pl.read_csv(path, infer_schema=False)
    rows.with_columns(batch_size=pl.lit("")).write_csv(path)


def without_columns(path):
    pl.read_csv(path, infer_schema=False).drop("forward_iter").write_csv(path)


def two_captures(path):
    rows = pl.read_csv(path)
    later = pl.when(pl.int_range(pl.len()) > 6000).then(3 * 86_400_000).otherwise(0)
    rows.with_columns(pl.col("start_time(ms)", "end_time(ms)") + later).write_csv(path)


def a_late_process(path):
    rows = pl.read_csv(path, infer_schema=False)
    late = pl.when(pl.int_range(pl.len()) > 9000).then(pl.lit("ms_service_node-b-7")).otherwise("prof_id")
    rows.with_columns(prof_id=late).write_csv(path)


@pytest.mark.parametrize(
    "spoilt",
    [unsorted, packed, open_quote, without_sizes, without_columns, two_captures, a_late_process],
)
def test_what_a_sample_cannot_tell_is_not_told(small, monkeypatch, tmp_path, spoilt):
    write_forward(tmp_path, ROWS)
    spoilt(tmp_path / "forward.csv")
    monkeypatch.setattr(sampled, "_ROWS", 8000)  # so that a block has the place spoilt
    assert open_profile(tmp_path).sample_steps() is None


def test_small_tables_and_read_ones_have_no_sample(small, monkeypatch, tmp_path):
    write_forward(tmp_path, ROWS)
    monkeypatch.setattr(forward_csv, "LEAST_TIMES", 6)
    assert open_profile(tmp_path).sample_steps() is None
    monkeypatch.setattr(forward_csv, "LEAST_TIMES", 1)
    profile = open_profile(tmp_path)
    profile.load_domain_steps()
    assert profile.sample_steps() is None
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 1 << 60)
    assert open_profile(tmp_path).sample_steps() is None


def test_a_sample_is_read_once_and_can_be_of_services_with_gaps(small, tmp_path):
    sizes = tuple(5 + i * 7 % 11 for i in range(3000))
    write(
        tmp_path, Service("a-b-0", 10, (1, 2), 0, 0, sizes), Service("a-b-0", 20, (3, 4), 1, 1, sizes[::-1])
    )
    profile = open_profile(tmp_path)
    sample = profile.sample_steps()
    assert sample is profile.sample_steps(Silent())
    assert sample.steps["domain"].n_unique() == 2
    assert (np.diff(sample.begins) > 0).all()


@pytest.mark.parametrize("kind", ["csv", "database"])
def test_a_disk_that_is_slow_from_place_to_place_is_not_waited_for(small, monkeypatch, tmp_path, kind):
    write_forward(tmp_path, ROWS)
    if kind == "database":
        in_database(tmp_path)
    monkeypatch.setattr(sampled, "_SECONDS", -1)
    profile = open_profile(tmp_path)
    assert profile.sample_steps() is None
    assert profile.load_domain_steps().frame.height > 0
