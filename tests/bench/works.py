"""The works that `big` measures, each run in a process of its own: lbtui's and those beside it.

python -m tests.bench.works WORK FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

PICTURES = Path(__file__).parent.parent / "data" / "pd_ep_png"


def lanes(folder: Path) -> None:
    """DP lanes of the batch size, from opening the profile."""
    from lbtui.analysis.data_parallel import metric
    from lbtui.sources import open_profile
    from lbtui.ui.panes.dp.data import dp_data, measure, scene

    profile = open_profile(folder)
    steps = profile.load_domain_steps().frame
    data = dp_data(steps, profile.load("batches").frame, None, None)
    scene(measure(metric("batch_size"), data, steps), (data.begin, data.end), 170)


def polars_lanes(folder: Path) -> None:
    """The same grouping by polars alone: cards of a step to one step, then min, mean, max by time bin."""
    import polars as pl

    start = pl.col("start_time(ms)")
    steps = (
        pl.scan_csv(folder / "forward.csv")
        .group_by("hostname", "dp_rank", "forward_iter")
        .agg(start.min(), pl.col("end_time(ms)").max(), pl.col("batch_size").max())
    )
    size = pl.col("batch_size")
    (
        steps.group_by("hostname", "dp_rank", bin=(start / 600).floor().cast(pl.Int64))
        .agg(low=size.min(), mean=size.mean(), high=size.max())
        .collect(engine="streaming")
    )


def rounds(folder: Path) -> None:
    """The frame `batches`, without its request lists."""
    from lbtui.sources import open_profile

    open_profile(folder).load("batches")


def polars_rounds(folder: Path) -> None:
    """The same columns by polars alone."""
    import polars as pl

    columns = (
        "name,prof_id,dp_rank,batch_type,batch_size,prefill_batch_size,decode_batch_size,"
        "total_scheduled_tokens,start_time(ms),end_time(ms)"
    )
    pl.scan_csv(folder / "batch.csv").select(columns.split(",")).collect(engine="streaming")


def pictures(folder: Path) -> None:
    """Nine heat maps to numbers."""
    from lbtui.sources import open_profile

    assert open_profile(folder).load("expert_heat").frame.height


def pandas_lanes(folder: Path) -> None:
    """The same grouping by pandas, which lbtui does not use."""
    import pandas as pd

    names = ["hostname", "dp_rank", "forward_iter", "start_time(ms)", "end_time(ms)", "batch_size"]
    rows = pd.read_csv(folder / "forward.csv", usecols=names)
    steps = rows.groupby(names[:3], as_index=False).agg(
        start=(names[3], "min"), end=(names[4], "max"), size=(names[5], "max")
    )
    steps["bin"] = (steps["start"] // 600).astype(int)
    steps.groupby(["hostname", "dp_rank", "bin"])["size"].agg(["min", "mean", "max"])


def duckdb_lanes(folder: Path) -> None:
    """The same grouping by DuckDB, which lbtui does not use."""
    import duckdb

    steps = (
        'SELECT hostname, dp_rank, min("start_time(ms)") AS start, max("end_time(ms)"), '
        "max(batch_size) AS size "
        f"FROM read_csv('{folder / 'forward.csv'}') GROUP BY hostname, dp_rank, forward_iter"
    )
    duckdb.sql(
        "SELECT hostname, dp_rank, CAST(floor(start / 600) AS BIGINT) AS bin, "
        f"min(size), avg(size), max(size) FROM ({steps}) GROUP BY ALL"
    ).fetchall()


def sqlite_lanes(folder: Path) -> None:
    """The same grouping by SQLite alone, of the table `forward` of profiler.db."""
    import sqlite3

    steps = (
        "SELECT hostname, dp_rank, MIN(start_time) AS start, MAX(end_time), "
        "MAX(CAST(batch_size AS INTEGER)) AS size FROM forward GROUP BY hostname, dp_rank, forward_iter"
    )
    connection = sqlite3.connect(f"file:{folder / 'profiler.db'}?mode=ro&immutable=1", uri=True)
    connection.execute(
        f"SELECT hostname, dp_rank, CAST(start / 600 AS INTEGER) AS bin, MIN(size), AVG(size), MAX(size) "
        f"FROM ({steps}) GROUP BY hostname, dp_rank, bin"
    ).fetchall()


def imported_sqlite_lanes(folder: Path) -> None:
    """The same in a process that has imported what lbtui's reading needs: the work without the start."""
    import adbc_driver_sqlite
    import numpy
    import polars

    assert all((adbc_driver_sqlite, numpy, polars))
    sqlite_lanes(folder)


def findings(folder: Path) -> None:
    """All that the Overview shows: its lines and the findings."""
    from lbtui.findings.diagnosis import diagnose
    from lbtui.overview.run import overview
    from lbtui.sources import open_profile

    profile = open_profile(folder)
    diagnose(profile, overview(profile).window)


# Inputs of more than one file


def add_panes(folder: Path) -> None:
    """Add what the panes of experts and of P/D nodes show."""
    for picture in PICTURES.iterdir():
        shutil.copy(picture, folder)
    shutil.copy(PICTURES.parent / "pd_ep" / "coordinator.csv", folder)


def service(folder: Path, domains: int) -> None:
    """Write a service of so many DP domains, with something for every pane."""
    from tests.findings.service import Group, write_service

    write_service(folder, Group(domains=domains, seconds=20))
    add_panes(folder)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
