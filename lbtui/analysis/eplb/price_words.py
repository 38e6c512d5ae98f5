"""The verdict on another placement in one sentence, and what it rests on, line by line."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lbtui.analysis.eplb.artificial import Artificial
from lbtui.analysis.eplb.later import FEWEST_JUDGED, Interval
from lbtui.analysis.eplb.limits import FEW_TOKENS
from lbtui.analysis.eplb.price import Evidence, Verdict
from lbtui.text import _, in_clauses, in_percent, in_series, with_brackets, with_comma, with_label, with_stop

_SIZE = _("the size of an expert (--expert-mib)")
_LINK = _("the link of a rank (--link-gbps)")


def verdict_words(known: Evidence, said: Verdict) -> str:
    """Return one of the three sentences with its reason."""
    lead = {
        "worth a trial": _("Worth a trial"),
        "not now": _("Not now"),
        "not enough evidence": _("Not enough evidence"),
    }[said.sentence]
    return with_stop(with_label(lead, _reason(known, said)))


def _reason(known: Evidence, said: Verdict) -> str:
    """Return what the verdict rests on."""
    if said.reason == "phases":
        return _("prefill and decode have iterations of their own; choose one of them in EP (p)")
    if said.reason == "ranks" or known.gain is None:
        return _("for another number of ranks than recorded nothing can be judged by its iterations")
    if said.reason == "artificial":
        return _artificial_reason(known.artificial[0])
    if said.reason == "few iterations":
        return _("{count} iterations to judge by are too few, {least} are the least").format(
            count=known.gain.iterations, least=FEWEST_JUDGED
        )
    if said.reason == "few tokens":
        return _(
            "the experts of a rank get {tokens:.0f} tokens a layer and pass; below {limit} the time they "
            "take does not follow tokens"
        ).format(tokens=known.tokens, limit=FEW_TOKENS)
    if said.reason in ("anew", "anew unpriced"):
        return _anew(known, said)
    gain = _gain_words(known, known.judged(known.gain))
    if said.reason == "once":
        return _once(known, gain)
    limit = _("a trial is worth it from {worth} on").format(worth=in_percent(known.worth, 1))
    if said.reason == "uncertain":
        return _("on later iterations it saves {gain}; {limit}, which lies between").format(
            gain=gain, limit=limit
        )
    if said.reason == "does not last":
        return _(
            "after {kept} less than half of the gain is left; until then it earns {earned} at most, and "
            "moving the experts takes {price}"
        ).format(kept=_time(known.kept), earned=_time(known.earned), price=_time(known.standstill))
    if said.reason == "too short":
        return _(
            "its price is earned back after {after}, and only {recorded} after a table are recorded: record "
            "longer ({gain})"
        ).format(after=_time(known.break_even), recorded=_time(known.looked_at), gain=gain)
    if said.reason == "moves":
        return _("the heat moves: on later iterations it saves {gain}; {limit}").format(
            gain=gain, limit=limit
        )
    return _("on later iterations it saves {gain}; {limit}").format(gain=gain, limit=limit)


def _once(known: Evidence, gain: str) -> str:
    text = _("{placement} saves {gain} on later iterations").format(placement=_placement(known), gain=gain)
    if known.break_even is not None:
        earned = _("earned back after {after} if the service stands still while experts move")
        return with_comma(text, earned.format(after=_time(known.break_even)))
    if known.service.share is None:
        unknown = _("what that is of a step, and so when it is earned back, is unknown")
    else:
        unknown = _("its price is unknown without {lacking}").format(lacking=_lacking(known))
    return in_clauses((text, unknown))


def _anew(known: Evidence, said: Verdict) -> str:
    anew = said.anew
    if anew is None:
        return ""
    every = _("{count:,} iterations").format(count=anew.window)
    if (seconds := known.seconds(anew.window)) is not None:
        every = with_brackets(every, _time(seconds))
    net = known.net(anew)
    if said.reason == "anew" and net is not None:
        return _(
            "one table is not enough, but {placement} made anew every {every} saves {gain}, its price taken "
            "off"
        ).format(placement=_placement(known), every=every, gain=_gain_words(known, net))
    return _(
        "one table does not last; made anew every {every} tables would save {gain}, and what that costs is "
        "unknown without {lacking}"
    ).format(
        every=every, gain=_gain_words(known, known.judged(anew.gain)), lacking=_lacking(known, of_step=True)
    )


def _artificial_reason(one: Artificial) -> str:
    """Return why a load is no router's."""
    return {
        "stays": _(
            "load stays on its ranks, whichever experts they hold: padding, dummy tokens or a fixed routing"
        ),
        "ranks": _("the same ranks are full in all layers: padding or dummy tokens look like that"),
        "experts": _(
            "experts of the same number are hot in all layers: dummy tokens or a fixed routing look like that"
        ),
        "few": _("a few experts get all tokens of a layer: a fixed routing looks like that"),
        "steady": _("counts vary less than chance has them: a fixed routing looks like that"),
    }[one.kind]


def _artificial_details(one: Artificial) -> str:
    """Return the numbers of it, and what a router would show."""
    texts = {
        "stays": _(
            "by its experts the fullest rank of later tables should carry {usual:.2f}× the mean, it carries "
            "{value:.2f}×"
        ),
        "ranks": _(
            "PAR is {value:.2f}, and {usual:.2f} without what each rank has in all layers; routers, one a "
            "layer, fill other ranks in each"
        ),
        "experts": _(
            "{percent:.0f} % of what is uneven is of the same experts in all layers; of routers, one a "
            "layer, next to nothing is"
        ),
        "few": _("in half of the layers {percent:.0f} % of the experts or fewer get any of its tokens"),
        "steady": _("from iteration to iteration counts vary {value:.2f}× as much as chance alone has them"),
    }
    return texts[one.kind].format(value=one.value, usual=one.usual, percent=100 * one.value)


def detail_words(known: Evidence) -> tuple[tuple[str, str], ...]:
    """Return what the verdict rests on: a name, as in `FORMULAS`, and what is known of it."""
    if known.gain is None:
        return ()
    return tuple(_details(known))


def _details(known: Evidence) -> Iterator[tuple[str, str]]:
    if (gain := known.gain) is None:
        return
    yield _("placement"), _placed(known)
    before, after = gain.par
    yield (
        _("gain"),
        _("PAR {before:.3f} becomes {after:.3f} on {count:,} later iterations: {time} of expert time").format(
            before=before, after=after, count=gain.iterations, time=_interval(gain.time)
        ),
    )
    if known.step is None or known.service.share is None:
        yield _("share"), _("unknown: {why}").format(why=known.service.told)
    else:
        yield (
            _("share"),
            _("expert computation takes {share} of a step ({told}), so the gain is {step} of it").format(
                share=in_percent(known.service.share, 1), told=known.service.told, step=_interval(known.step)
            ),
        )
    yield _("price"), _price(known)
    yield _("break-even"), _break_even(known)
    yield _("lasts"), _lasts(known)
    if (last := known.last) is not None:
        saved = _(
            "{count} recorded ones saved {first} of the mean rank's expert time over the ones before in the "
            "first quarter of their period, {end} in the last"
        ).format(count=last.tables, first=in_percent(last.first, 1), end=in_percent(last.last, 1))
        fades = _("the heat moves faster than the period")
        yield _("last tables"), with_label(saved, fades) if last.fade else saved
    for one in known.artificial:
        yield _("mind"), _artificial_details(one)


def _placed(known: Evidence) -> str:
    if known.in_use == known.settings.redundant:
        return _("{placement}, as many as in use").format(placement=_placement(known))
    text = _("{placement}, where {in_use} are in use: another number is set when the service starts")
    return text.format(placement=_placement(known), in_use=known.in_use)


def _price(known: Evidence) -> str:
    if known.moved is None or known.most is None:
        return _("unknown: other ranks than in use")
    moved = _("{moved:,} experts to move, {most:,} of them to one rank").format(
        moved=int(known.moved.sum()), most=known.most
    )
    if known.standstill is None:
        return _("{moved}; how long that takes is unknown without {lacking}").format(
            moved=moved, lacking=_lacking(known)
        )
    return _("{moved}: {time} at {size:g} MiB an expert and {link:g} Gbit/s").format(
        moved=moved,
        time=_time(known.standstill),
        size=known.settings.expert_mib,
        link=known.settings.link_gbps,
    )


def _break_even(known: Evidence) -> str:
    if (after := known.break_even) is None:
        return _("unknown without {lacking}").format(lacking=_lacking(known, of_step=True))
    length = known.seconds(known.period)
    if math.isinf(after):
        periods = ""
    elif length:
        periods = _(" ({count:,.1f} periods of {length} as recorded)").format(
            count=after / length, length=_time(length)
        )
    else:
        periods = _(" (no period is recorded: the table never changed)")
    return _(
        "after {after}{periods} if the service stands still while experts move; if it goes on, the gain "
        "begins {price} later, and steps are taken to be no slower until then"
    ).format(after=_time(after), periods=periods, price=_time(known.standstill))


def _lasts(known: Evidence) -> str:
    if (lasting := known.lasting) is None:
        return _("unknown: too few iterations, or no gain to begin with")
    first, *_between, last = lasting.saved
    ages = _("of what a table of {count:,} iterations gains {share} is left {age:,} iterations later").format(
        count=lasting.window,
        share=in_percent(max(0.0, last / first)),
        age=lasting.looked_at,
    )
    if lasting.kept is None:
        told, seconds = _("as long as is recorded"), known.looked_at or None
    else:
        told = _("less than half is left after {count:,} iterations").format(count=lasting.kept)
        seconds = known.kept
    return with_label(told if seconds is None else with_brackets(told, _time(seconds)), ages)


def _placement(known: Evidence) -> str:
    policy = {
        "in use": _("the placement in use"),
        "global": _("DeepSeek's EPLB, global"),
        "hierarchical": _("DeepSeek's EPLB, hierarchical"),
        "file": _("the placement file"),
    }[known.settings.policy]
    return _("R = {redundant} ({policy})").format(redundant=known.settings.redundant, policy=policy)


def _gain_words(known: Evidence, gain: Interval) -> str:
    """Return a gain in the unit of what it is judged by."""
    if known.service.share is None:
        return _("{gain} of expert time").format(gain=_interval(gain))
    return _("{gain} of a step's time").format(gain=_interval(gain))


def _interval(one: Interval) -> str:
    if math.isinf(one.high):
        return in_percent(one.value, 1)
    return _("{value} ({low} to {high})").format(
        value=in_percent(one.value, 1), low=f"{100 * one.low:.1f}", high=in_percent(one.high, 1)
    )


def _lacking(known: Evidence, *, of_step: bool = False) -> str:
    """Return what would have to be known for the price, or for when it is earned back."""
    sizes = ((known.settings.expert_mib, _SIZE), (known.settings.link_gbps, _LINK))
    lacking = [name for value, name in sizes if value is None]
    if of_step and known.service.share is None:
        lacking.append(_("the share of a step"))
    if not lacking and known.iteration_seconds is None:
        lacking.append(_("the time of an iteration"))
    return in_series(lacking)


def _time(seconds: float | None) -> str:
    """Return a time in words, to two or three figures."""
    if seconds is None:
        return _("an unknown time")
    if math.isinf(seconds):
        return _("never")
    for unit, length in ((_("h"), 3600.0), (_("min"), 60.0)):
        if seconds >= 10 * length:
            return f"{seconds / length:,.0f} {unit}"
    if seconds >= 0.95:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{1e3 * seconds:.0f} ms"


FORMULAS: tuple[tuple[str, str], ...] = (
    (
        _("verdict"),
        _(
            "Worth a trial where the interval of the gain lies above eplb_step_gain (1 %) of a step's time, "
            "or above eplb_gain (5 %) of expert time where the share of a step is unknown, and its price is "
            "earned back within the time that the gain is seen to last; tables made anew every so many "
            "iterations are tried too, their price taken off. Not now where it lies below, saves nothing, or "
            "fades before it has earned its price. Else, and where padding, dummy tokens or a fixed routing "
            "show, there is not enough evidence."
        ),
    ),
    (
        _("gain"),
        _(
            "Of the second half of the iterations, which the table has not seen: PAR = Σ tokens of the "
            "fullest rank / Σ of the mean rank, over layers and single iterations; of an expert's tokens "
            "each copy gets an equal part, before and after. Of expert time 1 − after / before is saved. "
            "Time is taken to follow tokens. In brackets the 95 % interval: moving blocks of iterations."
        ),
    ),
    (
        _("share"),
        _(
            "GroupedMatmul time of the mean process / time of its forward passes, of all that is recorded; "
            "from layer_times, else from the kernels of the timeline. Gain of a step = share × (PAR before − "
            "PAR after). The interval is that of the gain; the share is taken as it is."
        ),
    ),
    (
        _("price"),
        _(
            "Experts that the rank gets that gets most × size of an expert (e, --expert-mib) × 8 / link (T, "
            "--link-gbps): seconds until all have theirs. Ranks are not renamed to save moves."
        ),
    ),
    (
        _("break-even"),
        _(
            "Price / gain of a step / share of the time in which passes run: seconds of service until a "
            "standstill is earned back; in periods: / their length as recorded. If the service goes on, "
            "nothing is gained until all experts are there, and steps are taken to be no slower."
        ),
    ),
    (
        _("lasts"),
        _(
            "Tables made of each of eight windows of iterations are judged by each window after. The gain "
            "lasts until, on average of all later windows, less than half is left of what the next window "
            "has."
        ),
    ),
    (
        _("last tables"),
        _(
            "Every table recorded against the one before on its own period's iterations: Σ tokens of the "
            "fullest rank under the one before − under it, / Σ of the mean rank, in the first and the last "
            "quarter. The heat moves faster than the period where less than half is left."
        ),
    ),
)
