"""A small profile with one finding of each kind, made by hand, for the reports' agreed texts."""

from __future__ import annotations

from datetime import datetime, timedelta

from lbtui.findings import Cost, Figure, Finding
from lbtui.findings.diagnosis import Diagnosis
from lbtui.findings.pictures import Drawn, Picture, Strip
from lbtui.overview.model import Line, NodeName, Overview
from lbtui.profile import Domain, Missing, Note

BEGIN = datetime(2026, 1, 1, 0, 0, 0)
MICROS = 1_767_225_600_000_000
SECOND = 1_000_000

BATCH = Finding(
    id="dp.batch_size.skew",
    severity="critical",
    subject={"instance": "svc-d0", "host": "svc-d0-worker-1", "dp_rank": 1},
    window=(BEGIN + timedelta(seconds=2), BEGIN + timedelta(seconds=6.5)),
    metric="batch_size / mean of peers",
    value=2.5,
    threshold=1.4,
    cost=Cost(12.25, "ms/step", "each other domain waits 12.25 ms a step for it"),
    message="dp1 (svc-d0-worker-1) carries 5.0 requests a step, 2.5× the 2.0 of its peers.",
    advice="Look at how requests are given to DP domains.",
    evidence="forward.csv: batch_size of dp_rank 1 in the window",
    excess=1.8,
    p_value=0.002,
    consequences=(
        Finding(
            id="kv.skew",
            severity="warning",
            subject={"instance": "svc-d0", "host": "svc-d0-worker-1", "dp_rank": 1},
            window=None,
            metric="KV usage / mean of peers",
            value=1.75,
            threshold=1.5,
            cost=Cost(None, "", "unknown as long as no request has to wait for blocks"),
            message="dp1 uses 70 % of its KV blocks, its peers 40 %.",
            advice="Balance by KV blocks.",
            evidence="kvcache.csv: usage in the window",
            excess=1.2,
        ),
    ),
)
RANK = Finding(
    id="ep.rank.hot",
    severity="warning",
    subject={"instance": "experts", "rank": 2},
    window=None,
    metric="mean load / mean over ranks",
    value=1.25,
    threshold=1.15,
    cost=Cost(
        0.2, "share of expert compute", "20.0 % of the ranks' expert time is waiting for it", 0.2, "experts"
    ),
    message="EP rank 2 of experts carries 1.25× the mean load.",
    advice="EPLB cannot move load that it does not see.",
    evidence="profiler.db:slice: rank 2, all layers",
    excess=1.1,
    p_value=1e-9,
)
SHORT = Finding(
    id="data.capture.short",
    severity="info",
    subject={},
    window=None,
    metric="seconds captured",
    value=10.0,
    threshold=120.0,
    cost=Cost(None, "", "data quality costs certainty, not time"),
    message="The capture is 10 s long.",
    advice="Record at least 120 s.",
    evidence="first and last time in all files",
    excess=1.0,
)
FINDINGS = (BATCH, RANK, SHORT)

SPAN = (MICROS, MICROS + 10 * SECOND)
NAN = float("nan")
DRAWN = (
    Drawn(
        BATCH,
        Picture(
            "batch size, requests a step",
            "1 s",
            (
                Strip("dp0", (2.0, 2.0, 1.0, 2.0, 3.0, 2.0, 2.0, 2.0, 2.0, NAN), False),
                Strip("dp1", (2.0, 2.0, 5.0, 5.0, 5.0, 5.0, 5.0, 2.0, 2.0, NAN), True),
            ),
            SPAN,
        ),
    ),
    Drawn(RANK, Picture("load, × mean", "a rank", (Strip("load", (0.9, 0.9, 1.25, 0.95), True),), at=2)),
    Drawn(SHORT, None),
)

UNEVEN = Diagnosis(DRAWN)
EVEN = Diagnosis(
    DRAWN[2:],
    (
        Figure(
            "dp", "svc-d0", 1.22, 1.0, 1.25, "svc-d0: PAR 1.22; chance gives 1.25.", "PAR 1.22, chance 1.25"
        ),
    ),
)

KNOWN = Overview(
    "out_a",
    "/data/out_a",
    hosts=("svc-d0-worker-0", "svc-d0-worker-1"),
    window=SPAN,
    domains=(
        Domain("svc-d0/dp0", "svc-d0", "svc-d0-worker-0", 0),
        Domain("svc-d0/dp1", "svc-d0", "svc-d0-worker-1", 1),
    ),
    nodes=(NodeName("10.0.0.1:80", "prefill"),),
    lines=(
        Line(
            "dp.batch_size",
            "dp",
            "DP batch",
            headline="PAR 1.43",
            beside="chance 1.20",
            values=(2.0, 2.0, 5.0, 5.0, 5.0, 5.0, 5.0, 2.0, 2.0, 2.0),
            over_time=True,
            worst="dp1 08:00:02–:06",
        ),
        Line("pd.added", "pd", "P/D added", absent="no P/D node is recorded"),
    ),
    missing=(Missing("KV blocks (kvcache.csv)", "it was not recorded", "collect domain KVCache"),),
    notes=(Note("batch.csv", "3 of 15 rows lack a time."),),
)
