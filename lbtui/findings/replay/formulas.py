"""How the figures of a replay come about, in words. Help, reports and manual print these."""

from __future__ import annotations

from lbtui.analysis.replay.asked import FEW, FURTHER, FURTHER_OF_FEW
from lbtui.analysis.replay.ratio import KNEE, KNEE_LOADS, MODEL_ERROR, MOST_BEYOND, NOTABLE
from lbtui.analysis.replay.routing import SESSIONS, WAITING_WEIGHT
from lbtui.text import _, in_percent

SELF_TEST_FORMULA = _(
    "self-test: the recorded assignment replayed, beside what was recorded. A figure holds within 15 % of "
    "the recorded one (PAR within 0.1), or where the recorded one lies between the replays with all steps "
    "2 % shorter and 2 % longer: near saturation small differences of step time make large ones of latency. "
    "Where a figure fails nothing is advised."
)
FIGURE_FORMULA = _(
    "TTFT, TPOT and end to end are of each request as in Requests, p50 and p95 interpolated linearly; PAR of "
    "running requests: over 2,000 equal instants the sum of the fullest domain's running requests / the sum "
    "of the domains' mean; throughput and goodput: requests, and those that meet all targets, / seconds from "
    "the first arrival to the last end."
)
INTERVAL_FORMULA = _(
    "difference: from the replay of the recorded routing or ratio, mean over {few} replays (over {many} from "
    "{count} requests on; of more than 20,000 that of one replay of all, and three of stretches tell the "
    "spread), each with the same draws on both sides, all but the first with other residuals, other choices "
    "and step times within the error of their fit. Its 90 % interval: ± 1.645 × the root of the sum of "
    "spread squared × (1 / replays + 1 / 10) and of 0.3 × block error, squared; spread: between these "
    "replays; block error: of 30 blocks of consecutive requests, of the paired influences of each request on "
    "the figure; of another ratio {model} of the recorded figure, squared, is added to the sum. Beyond "
    "chance is an interval that leaves out 0. It is of these requests: another hour brings others."
).format(few=1 + FURTHER_OF_FEW, many=1 + FURTHER, count=f"{FEW:,}", model=in_percent(MODEL_ERROR))
POLICY_FORMULA = _(
    "as recorded: each request where it was. round robin: in turn. least requests: least {weight} × waiting "
    "+ running, as vLLM counts. least tokens: fewest prompt and generated tokens of all its requests. least "
    "KV use: least share of its KV pool in use. two random choices: the better of two by least requests. "
    "session-sticky: {sessions} sessions a domain, each bound to one by chance, the session of a request "
    "drawn by Zipf's law, as sessions are not recorded. fixed share: by chance, by the recorded shares or "
    "those given (e), of those that decode. "
    "Where prefill and decode are apart a policy chooses one domain of each."
).format(weight=WAITING_WEIGHT, sessions=SESSIONS)
RATIO_FORMULA = _(
    "goodput per node = goodput / prefill and decode nodes. Asked are all ways to part the recorded nodes, "
    "and one or two nodes more or fewer of a role, at the recorded load and at × 0.5, × 1.5 and × 2 of it "
    "(arrivals that much closer). best: the most goodput per node of as many nodes as recorded, if that is "
    "beyond chance; else the recorded ratio, and one that is more than {notable} better is named as what "
    "cannot be told from chance. Where the recording shows no limit of how many requests a "
    "decode domain runs at once, no ratio is advised that runs more than {beyond} times the most recorded "
    "(for nine in ten first tokens): whether it can is not known."
).format(beyond=f"{MOST_BEYOND:g}", notable=in_percent(NOTABLE))
KNEE_FORMULA = _(
    "knee: the least of the loads × {first} to × {last} at which p95 of TTFT or of TPOT is more than {knee} "
    "times that of the idle service (× 0.1) at the recorded ratio: there queueing begins."
).format(first=f"{KNEE_LOADS[0]:g}", last=f"{KNEE_LOADS[-1]:g}", knee=f"{KNEE:g}")
ROUTING_FORMULAS = (SELF_TEST_FORMULA, FIGURE_FORMULA, INTERVAL_FORMULA, POLICY_FORMULA)
RATIO_FORMULAS = (SELF_TEST_FORMULA, FIGURE_FORMULA, INTERVAL_FORMULA, RATIO_FORMULA, KNEE_FORMULA)
