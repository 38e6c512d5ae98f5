"""SGLang's KV readings name nobody: the rounds around them tell whose they are, or nothing does."""

import csv
import io

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.profile import Note
from lbtui.sources import open_profile
from lbtui.sources.canonical.kv_states import of_rounds
from lbtui.sources.steps.owners import Owners
from tests.sources.recorded import content, lay_out, sentences
from tests.sources.test_recorded import SGLANG

_US = pl.Datetime("us")


def owners_of(*prof_ids, domain=None):
    rows = [(p, "i", "h", None, domain or p) for p in prof_ids]
    schema = {"prof_id": pl.String, "instance": pl.String, "host": pl.String, "dp_rank": pl.Int32}
    return Owners(
        pl.DataFrame(rows, schema={**schema, "domain": pl.String}, orient="row"), tuple[Note, ...]()
    )


def table(rows):
    names = {"name": pl.String, "prof_id": pl.String, "start": pl.Int64, "end": pl.Int64}
    return pl.DataFrame(rows, schema=names, orient="row").cast({"start": _US, "end": _US})


@st.composite
def services(draw):
    """Schedulers with rounds at random times: (rounds, events with their true owner)."""
    rounds, events = [], []
    for number in range(draw(st.integers(1, 3))):
        name, time = f"s{number}", draw(st.integers(0, 500))
        for _round in range(draw(st.integers(1, 8))):
            grouped = time + draw(st.integers(5, 40))
            executed = grouped + draw(st.integers(1, 300))
            rounds += [
                ("batchFrameworkProcessing", name, time, grouped),
                ("modelExec", name, grouped + 1, executed),
            ]
            events.append(("allocate", draw(st.integers(time, grouped)), name))
            freed = executed + draw(st.integers(1, 30))
            events.append(("free", freed, name))
            time = freed + draw(st.integers(1, 200))
    return rounds, events


@settings(deadline=None, max_examples=200)
@given(services(), st.randoms(use_true_random=False))
def test_a_reading_is_given_to_its_own_domain_or_to_none(service, random):
    rounds, events = service
    random.shuffle(rounds)
    events.sort(key=lambda event: event[1])
    frame = pl.DataFrame(
        {
            "name": [name for name, _time, _owner in events],
            "time": pl.Series([time for _name, time, _owner in events]).cast(_US),
            "free_blocks": range(len(events)),
            "row": range(len(events)),
        }
    )
    owned = of_rounds(frame, table(rounds), owners_of("s0", "s1", "s2"))
    wrong = [
        (name, time, owner, found)
        for (name, time, owner), found in zip(events, owned.sort("row")["domain"], strict=True)
        if found not in (owner, None)
    ]
    # Two of one instant may be taken for each other; otherwise no reading is another's.
    times = [time for _name, time, _owner in events]
    assert [w for w in wrong if times.count(w[1]) == 1 and w[0] == "allocate"] == []
    if len({owner for _name, _time, owner in events}) == 1:
        assert owned["domain"].null_count() == 0


def test_ranks_of_one_domain_do_not_make_a_reading_ambiguous():
    rounds = [
        (name, rank, start, end)
        for rank in ("a", "b")
        for name, start, end in (("batchFrameworkProcessing", 0, 10), ("modelExec", 11, 50))
    ]
    frame = pl.DataFrame(
        {"name": ["allocate", "free"], "time": [5, 55], "free_blocks": [7, 9], "row": [0, 1]}
    ).cast({"time": _US})
    owned = of_rounds(frame, table(rounds), owners_of("a", "b", domain="one"))
    assert owned["domain"].to_list() == ["one", "one"]


def test_the_pools_of_the_case(tmp_path):
    """Of the raw profile: pid 20010 has 13,213 pages free at the least, pid 20020 18,317 (its counters)."""
    loaded = open_profile(lay_out(tmp_path, *SGLANG)).load("kv")
    extremes = loaded.frame.group_by("domain").agg(
        least=pl.col("free_blocks").min(), most=pl.col("free_blocks").max(), used=pl.col("usage").max()
    )
    found = {row["domain"][-9:-4]: row for row in extremes.iter_rows(named=True)}
    assert (found["20010"]["least"], found["20010"]["most"]) == (13213, 20050)
    assert (found["20020"]["least"], found["20020"]["most"]) == (18317, 20010)
    assert found["20010"]["used"] == 1 - 13213 / 20050
    rows = list(csv.DictReader(io.StringIO(content(SGLANG[1]).decode())))
    assert loaded.frame.height > 0.98 * len(rows) == 0.98 * 664
    assert f"{664 - loaded.frame.height} of 664 KV readings" in sentences(loaded.notes)


def test_times_cut_to_seconds_leave_the_blocks_unknown(tmp_path):
    folder = lay_out(tmp_path, *SGLANG)
    cut = (folder / "kvcache.csv").read_text().splitlines()
    at = cut[0].split(",").index("start_time")
    rows = [",".join(c[:19] if i == at else c for i, c in enumerate(line.split(","))) for line in cut]
    (folder / "kvcache.csv").write_text("\n".join(rows) + "\n")
    loaded = open_profile(folder).load("kv")
    assert loaded.frame.is_empty()
    assert "664 of 664 KV readings may be of several DP domains" in sentences(loaded.notes)


def test_of_one_domain_all_readings_are_its_own_however_its_times_are_cut(tmp_path):
    folder = lay_out(tmp_path, *SGLANG)
    kept = {
        name: [line for line in (folder / name).read_text().splitlines() if "20020" not in line]
        for name in ("batch.csv", "kvcache.csv")
    }
    cut = [line.replace(line.split(",")[1], line.split(",")[1][:19]) for line in kept["kvcache.csv"]]
    (folder / "batch.csv").write_text("\n".join(kept["batch.csv"]) + "\n")
    (folder / "kvcache.csv").write_text("\n".join(cut) + "\n")
    loaded = open_profile(folder).load("kv")
    assert loaded.frame["free_blocks"].to_list() == [int(float(line.split(",")[4])) for line in cut[1:]]
    assert loaded.provenance[0].precision == "1 s"
