"""Which lanes of the DP pane a filter leaves; what is worked out over all lanes does not change by it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from lbtui.analysis.named_terms import named_term, ranks_of, values_of
from lbtui.profile import Domain, short_names
from lbtui.text import _, in_list
from lbtui.ui.panes.dp.data import Measured

_NAMES = ("dp", "domain", "host")


def grammar() -> str:
    """Return how a filter is written, in a few words."""
    return _("part of a host or domain, dp=2, host=NAME, domain=NAME, all must hold; dp=1,3: one of them")


def problem(domains: Sequence[Domain], text: str) -> str | None:
    """Return why a filter is refused: it is written wrong, or leaves no domain; None if nothing is wrong."""
    try:
        left = places_left(domains, text)
    except ValueError as error:
        return str(error)
    return None if left or not domains else _("No lane shown has that in its host or domain.")


def places_left(domains: Sequence[Domain], text: str) -> tuple[int, ...]:
    """Return the places of the domains of which all terms of a filter hold.

    Raises `ValueError` with a sentence for a term that names nothing to ask for.
    """
    left = list(range(len(domains)))
    short = short_names(domain.host for domain in domains)
    for word in text.split():
        asked = named_term(word, _NAMES)
        if asked is not None:
            left = [i for i in left if _is_named(domains[i], short[domains[i].host], *asked)]
        elif "=" in word:
            names = in_list(f"{name}=" for name in _NAMES)
            raise ValueError(_("“{word}” asks for none of {names}.").format(word=word, names=names))
        else:
            left = [i for i in left if word.lower() in _said_of(domains[i])]
    return tuple(left)


def _is_named(domain: Domain, short: str, name: str, values: list[str]) -> bool:
    if name == "dp":
        return domain.dp_rank in ranks_of(values)
    said = {domain.host, short} | ({domain.key, domain.instance, domain.name} if name == "domain" else set())
    return any(value in said for value in values_of(name, values))


def _said_of(domain: Domain) -> str:
    """Return what a part of a text is looked for in, in lower case."""
    return f"{domain.key}\n{domain.instance}\n{domain.host} {domain.name}".lower()


@lru_cache(maxsize=16)
def lanes_left(measured: Measured, text: str) -> tuple[int, ...]:
    """Return the lanes that a filter without a problem leaves, in their order; all without one."""
    return places_left(measured.domains, text)


def filter_words(measured: Measured, text: str) -> list[str]:
    """Return what a filter leaves, for the state line; nothing without one."""
    if not text:
        return []
    said = _('filter "{text}": {shown} of {all} lanes shown')
    shown = len(lanes_left(measured, text))
    return [said.format(text=text, shown=shown, all=len(measured.domains))]
