"""The page of one scheduling round: the step, its cards and its requests."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from lbtui.analysis.data_parallel import Round
from lbtui.profile import Domain, format_time, instant, several_days
from lbtui.profile.source import ScheduledRequest
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import number, padded, printable, right
from lbtui.text import _
from lbtui.ui.panes.dp.lanes import length_text


def round_title(domain: Domain, time: int, *, date: bool = False) -> str:
    """Return the page's title; `date` is asked for where the profile spans several days."""
    return _("{domain} of {host} at {time}").format(
        domain=domain.name, host=domain.host, time=format_time(instant(time), 3, date=date)
    )


def round_text(
    found: Round | None, time: int, requests: Sequence[ScheduledRequest] | None, caps: Capabilities
) -> Text:
    """Return the page's text. `requests` is None while they are being read."""
    text = Text()
    if found is None:
        text.append(_("No step of this domain begins at or before this instant."))
        return text
    step = found.step
    begin, end = step["start"], step["end"]
    after = (instant(time) - end).total_seconds() * 1e6
    if after > 0:
        sentence = _("The domain is idle here; this is its last step before, which ended {ago} earlier.")
        text.append(sentence.format(ago=length_text(after)) + "\n\n", style="bold")
    unknown = _("unknown")

    def say(value: object, unit: str = "") -> str:
        if value is None:
            return unknown
        shown = number(float(value)) if isinstance(value, (int, float)) else str(value)
        return f"{shown} {unit}".rstrip()

    lines = [
        (_("batch size"), say(step["batch_size"], _("requests"))),
        (_("of these prefill"), say(step["prefill_batch_size"])),
        (_("of these decode"), say(step["decode_batch_size"])),
        (_("tokens"), say(step["tokens"])),
        (_("phase"), say(step["phase"])),
        (_("forward_iter"), say(step["forward_iter"])),
        (_("begins"), format_time(begin, 6, date=several_days(begin, instant(time)))),
        (_("ends"), format_time(end, 6, date=several_days(end, instant(time)))),
        (_("forward time"), say(step["duration"], "ms") + _("  (slowest card)")),
        (_("bubble time"), say(step["bubble"], "ms") + _("  (least over the cards)")),
        (_("scheduler"), say(found.scheduler)),
    ]
    wide = max(cell_len(name) for name, _value in lines)
    for name, value in lines:
        text.append(padded(name, wide) + "  ", style="dim")
        text.append(printable(value, caps) + "\n")
    text.append("\n" + _("Cards of the domain in this step") + "\n", style="bold")
    # The long name last: where it does not fit the line, the numbers stay below their headings.
    heading = (
        f"forward_iter  {right(_('begins'), 15)}  {right(_('ms'), 9)}  {right(_('bubble ms'), 9)}  prof_id"
    )
    text.append(heading + "\n", style="dim")
    for card in found.cards.iter_rows(named=True):
        text.append(
            f"{say(card['forward_iter']):>12}  {format_time(card['start'], 6):>15}  "
            f"{say(card['duration']):>9}  {say(card['bubble']):>9}  {printable(str(card['prof_id']), caps)}\n"
        )
    text.append("\n" + _("Requests of the batch") + "\n", style="bold")
    text.append(_requests_text(found, requests, caps))
    return text


def request_lines(text: Text, requests: Sequence[ScheduledRequest]) -> dict[int, str]:
    """Return the ids of the requests by their lines, which are the last of a round's text."""
    first = text.plain.count("\n") - len(requests)
    return {first + place: request.request_id for place, request in enumerate(requests)}


def _requests_text(found: Round, requests: Sequence[ScheduledRequest] | None, caps: Capabilities) -> Text:
    if requests is None:
        return Text(_("reading …"), style="dim")
    if not requests:
        why = (
            _("Not known: no scheduling round of this batch size covers the step.")
            if found.row is None
            else _("Not known: this output names no requests of the round (batch.csv res_list).")
        )
        return Text(why)
    ids = [printable(r.request_id, caps) for r in requests]
    column = max(cell_len(_("request")), *(cell_len(i) for i in ids))
    text = Text()
    text.append(
        f"{padded(_('request'), column)}  {right(_('iter'), 6)}  {right(_('tokens'), 8)}\n", style="dim"
    )
    for shown, request in zip(ids, requests, strict=True):
        iteration = None if request.iteration is None else float(request.iteration)
        tokens = None if request.tokens is None else float(request.tokens)
        line = f"{padded(shown, column)}  {number(iteration):>6}  {number(tokens):>8}"
        text.append(printable(line, caps) + "\n")
    return text
