"""What the Requests pane says in words: the state line, the reading line, one request, the help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import polars as pl
from rich.cells import cell_len

from lbtui.analysis.latency import FILTER_NAMES, Arranged, Arrangement, asks_for_places
from lbtui.analysis.request_places import PLACE_COLUMNS
from lbtui.analysis.slo import FEW, Attained
from lbtui.findings.latency.words import FORMULAS
from lbtui.overview.placed import MOST_ENTRIES, MOST_PLACED
from lbtui.overview.targets import goodput_words, share_words
from lbtui.profile import dated, format_time, format_window, instant
from lbtui.render.text import quantity
from lbtui.text import _, in_list, in_sentences, with_brackets
from lbtui.ui.kit.pane import HelpEntry
from lbtui.ui.panes.requests.columns import BY_NAME
from lbtui.ui.panes.requests.data import Request, RequestsData, RequestsState
from lbtui.ui.panes.requests.layout import Shown

Section: TypeAlias = tuple[str, list[tuple[str, str]]]  # a title, then pairs of name and value

_SECOND = 1_000_000


def state_line(shown: Shown) -> str:
    """Return which requests are shown, in which order, in which window, and whose queues."""
    data, state, columns = shown.data, shown.state, shown.at.plot
    arranged = state.arranged
    asked = arranged.arrangement
    column = BY_NAME[asked.sort]
    parts = []
    if data.no_requests is None:
        total, kept = f"{data.table.height:,}", f"{len(arranged.rows):,}"
        if asked.filter or asked.window:
            parts.append(_("{shown} of {total} requests").format(shown=kept, total=total))
        else:
            parts.append(_("{total} requests").format(total=total))
        if state.busy:
            parts.append(_("arranging …"))
        if asked.filter:
            parts.append(_("filter {filter}").format(filter=asked.filter))
        if asked.window:
            parts.append(_("only those in service in the window"))
        order = column.descending if asked.descending else column.ascending
        doubtful = _("{column} (doubtful)").format(column=column.words)
        words = doubtful if asked.sort in data.doubtful else column.words
        parts.append(_("by {column}, {order}").format(column=words, order=order))
        if state.placing:
            parts.append(_("looking where requests ran …"))
        elif data.no_places:
            parts.append(data.no_places)
        parts += _attained(data, arranged)
    begin, end = shown.window
    decimals = 0 if end - begin >= 20 * _SECOND else 3
    parts.append(format_window(instant(begin), instant(end), decimals, date=dated(data.whole)))
    if data.no_queues is None:
        domain = shown.domain
        parts.append(
            _queues_of_all(data.domains) if domain is None else _("queues of {domain}").format(domain=domain)
        )
        if columns:
            parts.append(
                _("1 column = {length}, its highest").format(length=_length((end - begin) / columns))
            )
    return " · ".join(parts)


def _attained(data: RequestsData, arranged: Arranged) -> list[str]:
    """Return what the requests shown attained of their targets, and their goodput."""
    met, missed = arranged.met, arranged.missed
    found = Attained(met, missed, len(arranged.rows) - met - missed, data.seconds)
    if not found.judged:
        return []
    # Of few a share says too much.
    count = _("{met} of {judged}").format(met=f"{met:,}", judged=f"{found.judged:,}")
    return [
        _("{share} met targets").format(share=count if found.judged < FEW else share_words(found)),
        _("goodput {value}").format(value=goodput_words(found)),
    ]


def _queues_of_all(domains: int) -> str:
    if domains < 2:
        # A queue's process need not be a DP domain.
        return _("all queues")
    return _("queues of all {count} DP domains").format(count=domains)


def _length(micros: float) -> str:
    if micros >= _SECOND:
        return quantity(micros / _SECOND, "s")
    return quantity(micros / 1000, "ms")


def summary(state: RequestsState, width: int) -> list[tuple[str, str]]:
    """Return the percentiles of the summarised column as pairs of name and value that fit into `width`."""
    column = BY_NAME[state.arranged.arrangement.measure]
    found = state.arranged.percentiles
    count = f"{found.count:,}"
    if found.unknown:
        count = with_brackets(count, _("{unknown} without").format(unknown=f"{found.unknown:,}"))
    pairs = [("n", count)]
    figures = [
        (_("mean"), found.mean),
        ("p50", found.p50),
        ("p90", found.p90),
        ("p95", found.p95),
        ("p99", found.p99),
        (_("max"), found.max),
    ]
    pairs += [(name, quantity(column.scaled(value), "")) for name, value in figures]
    # What can be missed most is left out first.
    for missed in ("p90", _("mean"), "p99"):
        if (
            cell_len(column.measure) + sum(cell_len(name) + cell_len(value) + 3 for name, value in pairs)
            <= width
        ):
            break
        pairs = [pair for pair in pairs if pair[0] != missed]
    return pairs


def speculation_words(state: RequestsState) -> str:
    """Return how many speculated tokens were accepted; empty without speculation."""
    proposed, accepted = state.arranged.proposed, state.arranged.accepted
    if not proposed:
        return ""
    return _("speculation: {accepted} of {proposed} proposed tokens accepted, {share}").format(
        accepted=f"{accepted:,}", proposed=f"{proposed:,}", share=quantity(100 * accepted / proposed, "%")
    )


def reading_line(request: Request, place: int, total: int, shown: Sequence[str]) -> str:
    """Return the request under the cursor in words, what has no column in view (`shown`) first."""
    facts = [
        ("ttft", _("TTFT {value}")),
        ("queue_wait", _("queue wait {value}")),
        ("duration", _("duration {value}")),
        ("domain", _("on {value}")),
        ("prefill_node", _("P node {value}")),
        ("decode_node", _("D node {value}")),
        ("time_per_output_token", _("{value} per output token")),
        ("input_tokens", _("{value} tokens in")),
        ("output_tokens", _("{value} tokens out")),
        ("cache_hit_rate", _("cache hit {value}")),
        ("arrival", _("arrived {value}")),
    ]
    facts.sort(key=lambda fact: fact[0] in shown)
    spoken = [
        text.format(value=BY_NAME[name].spoken(request[name]))
        for name, text in facts
        if request.get(name) is not None or (name in shown and name in request)
    ]
    if request.get("missed"):
        spoken.insert(0, _("missed {targets}").format(targets=BY_NAME["missed"].spoken(request["missed"])))
    return " · ".join([_("{place} of {total}").format(place=place + 1, total=total), _id(request), *spoken])


def _id(request: Request) -> str:
    return request["request_id"] or _("(no id)")


def request_sections(request: Request, handoffs: pl.DataFrame, transfers: pl.DataFrame) -> list[Section]:
    """Return everything known of one request; the frames hold the rows of this request only."""
    sections = [(_("Request"), _own_facts(request))]
    sections += [(_("Hand-off from P to D"), _handoff_facts(row)) for row in handoffs.iter_rows(named=True)]
    sections += [(_("KV pull"), _transfer_facts(row)) for row in transfers.iter_rows(named=True)]
    return sections


def nothing_matches(data: RequestsData, asked: Arrangement) -> str:
    """Return why the table is empty."""
    if data.placed and asks_for_places(asked.filter):
        wanted = ("domain",) if "node=" not in asked.filter else ("prefill_node", "decode_node")
        if not any(column.name in wanted for column in data.columns):
            told = _("no file tells at which P/D node a request ran")
            if wanted == ("domain",):
                told = _("no file tells on which DP domain a request ran")
            return _("No request matches: {why}.").format(why=told)
    return _("No request matches.")


def _own_facts(request: Request) -> list[tuple[str, str]]:
    arrival, ttft, duration = request["arrival"], request["ttft"], request["duration"]
    facts = [
        (_("id"), _id(request)),
        (_("arrival"), "–" if arrival is None else format_time(arrival, 6, date=True)),
        (_("first token"), _after(arrival, ttft)),
        (_("end"), _after(arrival, duration)),
        (_("input tokens"), _whole_number(request["input_tokens"])),
        (_("output tokens"), _whole_number(request["output_tokens"])),
        (_("TTFT"), _milliseconds(ttft)),
        (_("queue wait"), _milliseconds(request["queue_wait"])),
        (_("duration"), _milliseconds(duration)),
        (_("time per output token"), _milliseconds(request["time_per_output_token"])),
        (_("cache hit rate"), BY_NAME["cache_hit_rate"].spoken(request["cache_hit_rate"])),
    ]
    if request.get("missed") is not None:
        facts.append((BY_NAME["missed"].words, BY_NAME["missed"].spoken(request["missed"])))
    first = request.get("first_round")
    places = [(name, BY_NAME[name].spoken(request.get(name))) for name in PLACE_COLUMNS]
    facts += [(BY_NAME[name].words, text) for name, text in places if request.get(name) is not None]
    if first is not None:
        facts.append((_("first round"), format_time(first, 6, date=True)))
    if request["proposed"]:
        accepted, proposed = request["accepted"], request["proposed"]
        facts.append(
            (
                _("speculation"),
                _("{accepted} of {proposed} proposed tokens accepted").format(
                    accepted=f"{accepted:,}", proposed=f"{proposed:,}"
                ),
            )
        )
    return facts


def _handoff_facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    stages = (
        (_("arrival"), "arrival"),
        (_("prefill done"), "prefill_done"),
        (_("sent to D"), "sent"),
        (_("received by D"), "received"),
        (_("end"), "end"),
    )
    return [(words, _stage(row[name], row["arrival"])) for words, name in stages]


def _stage(time: datetime | None, arrival: datetime | None) -> str:
    if time is None:
        return _("– not seen")
    text = format_time(time, 3, date=True)
    if arrival is None or time == arrival:
        return text
    later = (time - arrival).total_seconds() * 1000
    return text + "  " + _("{length} after arrival").format(length=f"{later:,.0f} ms")


def _transfer_facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (_("decode rank"), _whole_number(row["rank"])),
        (_("start"), "–" if row["start"] is None else format_time(row["start"], 3, date=True)),
        (_("end"), "–" if row["end"] is None else format_time(row["end"], 3, date=True)),
        (_("duration"), _milliseconds(row["duration"])),
        (_("tokens"), _whole_number(row["tokens"])),
    ]


def _after(arrival: datetime | None, milliseconds: float | None) -> str:
    if arrival is None or milliseconds is None:
        return "–"
    time = arrival + (instant(round(milliseconds * 1000)) - instant(0))
    return format_time(time, 3, date=True)


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3f} ms"


def _whole_number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def filter_grammar() -> str:
    """Return how a filter is written, in a few words."""
    names = in_list(names[0] for names in FILTER_NAMES.values())
    return _(
        "part of an id, ttft>50, dp=2, node=ADDRESS, slo=missed …, all must hold; numbers: {names} (ms, "
        "tokens, 0..1)"
    ).format(names=names)


def help_entries(data: RequestsData | None) -> list[HelpEntry]:
    """Return every quantity of the pane. Long: one entry a quantity."""
    wait = _("Time in queues, ms: queue_wait_time of request.csv; 0 there means unknown and is shown as –.")
    if data is not None and data.disaggregated:
        both = _(
            "This is a P/D deployment: the figure covers the prefill and the decode queue together, so it "
            "may exceed TTFT and cannot judge prefill."
        )
        wait = in_sentences(wait, both)
    names = in_list(names[0] for names in FILTER_NAMES.values())
    doubt = [HelpEntry(_("? in a heading"), data.doubt)] if data is not None and data.doubt else []
    return [
        *doubt,
        HelpEntry(
            _("TTFT"),
            _(
                "Time to first token, ms: first_token_latency of request.csv, from arrival; 0 there means "
                "unknown and is shown as –. Of vLLM and SGLang, whose events of several requests the parser "
                "does not split: from the first httpReq to the first detokenize after the last httpReq, if "
                "a trace or profiler.db has the events; else one that ends more than a step after the round "
                "of the last prompt token is doubtful and unknown. So is one after the request's end, or "
                "with the last of 8 or more tokens."
            ),
        ),
        HelpEntry(_("wait, queue wait"), wait),
        HelpEntry(
            _("duration"),
            _("Arrival to end, ms: execution_time of request.csv, whole milliseconds, up to 1 ms off."),
        ),
        HelpEntry(
            _("TPOT, time per output token"),
            _(
                "(duration − TTFT) / (output tokens − 1), ms; – where one of them is unknown, under two "
                "output tokens, or where duration < TTFT."
            ),
        ),
        HelpEntry(_("input, output"), _("Tokens received and replied: recv_token_size, reply_token_size.")),
        HelpEntry(
            _("cache hit"),
            _(
                "Share of the input found in the KV cache: cache_hit_rate of request.csv, in per cent. For "
                "MindIE upstream's parser drops it."
            ),
        ),
        HelpEntry(
            _("missed, met targets, goodput"),
            _(
                "Which targets (--slo, or p95 of this run) a request took longer than; – where that cannot "
                "be told. In the state line, over the requests shown: met / judged, and met / seconds from "
                "the first arrival to the last end of the run. t shows it by domain, node and length."
            ),
        ),
        HelpEntry(
            _("time, mostly"),
            " ".join(
                (_("Where the time of a request went, and the largest part of it with its share."), *FORMULAS)
            ),
        ),
        HelpEntry(
            _("domain"),
            _(
                "The DP domains in whose rounds the request is listed (res_list of batch.csv, profiler.db or "
                "the trace), in the order of its first round on each; the reading line has their host or "
                "instance. – where no round lists it. Looked for once the column is in view, in up to "
                "{entries} entries of lists and {requests} requests."
            ).format(entries=f"{MOST_ENTRIES:,}", requests=f"{MOST_PLACED:,}"),
        ),
        HelpEntry(
            _("P node, D node"),
            _(
                "The addresses that the coordinator's dispatch of the request names (RequestDispatch in the "
                "trace, profiler.db or the raw profile). Without a dispatch the P node is the source that "
                "the request's KV pulls name (block_tables of pd_split_kvcache.csv), if they name one; no "
                "CSV names its D node. A source may be another address of the host than coordinator.csv has."
            ),
        ),
        HelpEntry(
            _("only in window"),
            _(
                "Requests in service in the window: arrival before its end, and arrival + duration not "
                "before its begin; where the duration is unknown, those that arrive in it."
            ),
        ),
        HelpEntry(
            _("order"),
            _(
                "By the column with the mark; unknown values last in either direction, equal ones by "
                "arrival. At first by duration or queue wait, the slowest first: by the one whose p95 / p50 "
                "is greater."
            ),
        ),
        HelpEntry(
            _("n, mean, p50, p90, p95, p99, max"),
            _(
                "Of the last column of numbers sorted by, over the requests shown; n counts the known "
                "values. Percentiles interpolate linearly between the two nearest values: place (n − 1) × p."
            ),
        ),
        HelpEntry(
            _("distribution, peak"),
            _(
                "Requests per bin of that column, its peak the most of them: {bins} bins of equal width from "
                "0 to the greatest value. Logarithmic (bins of an equal factor, from the least value) where "
                "half of the values would lie in the first sixteenth of the range. The bin of the request "
                "under the cursor is lit."
            ).format(bins="30"),
        ),
        HelpEntry(
            _("waiting, running, swapped"),
            _(
                "Requests in each queue: at each instant the sum of what each process last wrote "
                "(request_status.csv, or queue events of profiler.db or the trace). A process counts from "
                "its first reading to the last reading of all. A column shows its highest sum, each lane its "
                "own scale from 0 to its max in the window; mean is weighted by time. vLLM records no "
                "swapped queue."
            ),
        ),
        HelpEntry(
            _("request (below the lanes)"),
            _("The request under the cursor over time: arrival to first token, then to its end."),
        ),
        HelpEntry(
            _("speculation"),
            _("Σ accepted / Σ proposed tokens of spec_decode.csv, over the requests shown."),
        ),
        HelpEntry(
            _("filter"),
            _(
                "Terms with a blank between; all must hold. A term is a part of a request id, or one of "
                "{names} with < <= > >= = and a number: ms, tokens, or 0..1 for hit. Unknown "
                "values match no number. Or where it ran: dp=2 (rank of one of its domains), domain=NAME "
                "(key, host or instance of one), node=ADDRESS (of its P or D node, the port may be left "
                "out); of several with commas between (dp=1,3) one must fit. Or slo=missed, met, unknown, "
                "ttft, tpot or e2e."
            ).format(names=names),
        ),
    ]
