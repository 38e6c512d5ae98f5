"""One value of the document that `--json` prints, by a dotted path (`--get`)."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from lbtui.manual import json_schema
from lbtui.report.values import Json
from lbtui.text import _, in_list, in_sentences, visible

# What is listed of the names that there are.
_MOST_LISTED = 40
_STEP = re.compile(r"([^.\[\]]+)(?:\[([^\[\]]+)\])?(\.|$)")
# What `par` means, of a metric that has several formulas.
_SHORT = {"par": ("par", "time_weighted_par", "mean_layer_par")}
# What an element of a list is called by, where it is called by one thing.
_NAMED_BY = ("id", "part", "address", "file", "quantity", "figure", "policy", "what", "metric")
# Where an element says of whom it speaks.
_SUBJECTS = ("subject", "place")


class NoSuchValue(Exception):
    """A path leads nowhere; the text says in a sentence where it ends, and what there is."""


@dataclass(frozen=True)
class _Step:
    name: str
    where: Mapping[str, str] = field(default_factory=dict)  # what an element has to have


def value_of(document: Json, path: str) -> Any:
    """Return the value that a path leads to: a number, a text, a list, an object; None where it is not known.

    That is what a profile lacks but the schema has, too: a finding that was not made, a metric without data.
    Raises `NoSuchValue` for what is in neither.
    """
    steps = _steps(path)
    metrics = document.get("metrics", {})
    if steps[0].name in metrics and steps[0].name not in document:
        steps = (_Step("metrics"), *steps)
    branch = "what_if" if "what_if" in document else "report"
    return _walked(document, steps, [_definitions()[branch]], "")


def is_early(document: Json, path: str) -> bool:
    """Tell whether a document without findings, requests and doubts has the same value there."""
    first, last = _steps(path)[0], _steps(path)[-1]
    if first.name not in ("schema", "metrics", *document["metrics"]) or last.name == "doubt":
        return False
    return not isinstance(value_of(document, path), list | dict)


def value_line(value: Any, *, ascii_only: bool) -> str:
    """Return a value as one line: texts as they are, None as nothing, all else as JSON."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("ascii", "backslashreplace").decode() if ascii_only else text


def _steps(path: str) -> tuple[_Step, ...]:
    found: list[_Step] = []
    at = 0
    while at < len(path) or not found:
        step = _STEP.match(path, at)
        if step is None or (step[3] and step.end() == len(path)):
            raise NoSuchValue(
                _("{path} is no path; dp.batch_size.par and findings.dp.batch_size.skew.value are").format(
                    path=visible(path, 200) or "“”"
                )
            )
        found.append(_Step(step[1], dict(_condition(one, path) for one in (step[2] or "").split(",") if one)))
        at = step.end()
    return tuple(found)


def _condition(text: str, path: str) -> tuple[str, str]:
    key, sign, wanted = text.partition("=")
    if not sign:
        raise NoSuchValue(
            _("{path}: in brackets stands what is chosen, as [instance=NAME] or [role=decode,rank=6]").format(
                path=visible(path, 200)
            )
        )
    return key.strip(), wanted.strip()


def _walked(value: Any, steps: Sequence[_Step], schema: Sequence[Json], done: str) -> Any:
    """Return what `steps` lead to from a value, whose schemas are given and which the path so far led to."""
    if not steps:
        return value
    if isinstance(value, Mapping):
        key, rest, where = _taken(steps, value)
        members = _members(schema)
        if key is None:
            key, rest, where = _taken(steps, members)
            if key is not None and _is_known(members[key], rest):
                return None
            raise _nowhere(steps, done, [*value, *(each for each in members if each not in value)])
        inner = value[key]
        reached = f"{done}.{key}".lstrip(".")
        if where and isinstance(inner, list):
            inner = _chosen(inner, where, reached)
        if isinstance(inner, list):
            return _in_list(inner, rest, members.get(key, []), reached, chosen=bool(where))
        return _walked(inner, rest, members.get(key, []), reached)
    raise _nowhere(steps, done, [])


def _in_list(
    found: list[Any], steps: Sequence[_Step], schema: Sequence[Json], done: str, *, chosen: bool
) -> Any:
    if not steps:
        return found
    items = _items(schema)
    if done.startswith("metrics."):
        return _metric(found, steps, items, done)
    if done == "findings":
        found = list(_flat(found))
    number = steps[0].name
    if number.isascii() and number.isdigit() and int(number) < len(found):
        return _walked(found[int(number)], steps[1:], items, f"{done}.{number}")
    name, rest, where = _taken(steps, [_name(one) for one in found])
    if name is not None:
        own = [one for one in found if _name(one) == name]
        reached = f"{done}.{name}"
        return _walked(_chosen(own, where, reached)[0], rest, items, reached)
    if done == "findings":
        ids = _enumerated(_members(items)["id"])
        name, rest, _where = _taken(steps, ids)
        if name is not None and _is_known(items, rest):
            return None
        if name is not None:
            raise _nowhere(rest, f"{done}.{name}", _members(items))
        raise _nowhere(steps, done, ids)
    if chosen and steps[0].name in _members(items):
        return _walked(found[0], steps, items, done)
    raise _nowhere(steps, done, [_name(one) or str(at) for at, one in enumerate(found)])


def _metric(found: list[Json], steps: Sequence[_Step], items: Sequence[Json], done: str) -> Any:
    """Return the entries of a metric, or of one of its formulas the value, or another member."""
    members = _members(items)
    known = list(dict.fromkeys([*(one["metric"] for one in found), *_enumerated(members["metric"])]))
    name, rest, where = _taken(steps, known)
    if name is None:
        raise _nowhere(steps, done, known)
    reached = f"{done}.{name}"
    entries = [one for one in found if one["metric"] == name]
    if where and entries:
        entries = _chosen(entries, where, reached)
    if not rest:
        return entries or None
    formula, *others = rest
    own = list(dict.fromkeys(one["formula"] for one in entries))
    short = next((each for each in _SHORT.get(formula.name, ()) if each in own), formula.name)
    if short not in own:
        if not entries and (short in _enumerated(members["formula"])):
            return None
        raise _nowhere(rest, reached, own or _enumerated(members["formula"]))
    entries = [one for one in entries if one["formula"] == short]
    reached = f"{reached}.{short}"
    if formula.where:
        entries = _chosen(entries, formula.where, reached)
    entry = _worst(entries)
    return _walked(entry, others, items, reached) if others else entry["value"]


def _worst(entries: Sequence[Json]) -> Json:
    """Return the entry with the highest value, of those that are not of a part of what another is of."""
    whole = [
        one
        for one in entries
        if not any(other["subject"].items() < one["subject"].items() for other in entries)
    ]
    return max(whole, key=lambda one: -1.0 if one["value"] is None else one["value"])


def _chosen(found: Sequence[Any], where: Mapping[str, str], done: str) -> list[Any]:
    """Return the elements that have what is wanted of them; raises `NoSuchValue` where none has."""
    chosen = [one for one in found if all(_has(one, key, wanted) for key, wanted in where.items())]
    if chosen:
        return chosen
    known = dict.fromkeys(f"{key}={text}" for one in found for key, text in _conditions(one))
    wanted = ",".join(f"{key}={text}" for key, text in where.items())
    raise _nowhere([_Step(wanted)], done, known)


def _has(one: Any, key: str, wanted: str) -> bool:
    return (key, wanted) in _conditions(one)


def _conditions(one: Any) -> list[tuple[str, str]]:
    """Return what an element can be chosen by: its own plain members, and those of its subject."""
    if not isinstance(one, Mapping):
        return []
    of = next((one[key] for key in _SUBJECTS if isinstance(one.get(key), Mapping)), one)
    return [(key, value_line(own, ascii_only=False)) for key, own in of.items() if isinstance(own, str | int)]


def _name(one: Any) -> str:
    """Return what an element of a list is called by, nothing where it is called by its place only."""
    if not isinstance(one, Mapping):
        return ""
    key = next((key for key in _NAMED_BY if isinstance(one.get(key), str)), None)
    if key == "metric" and "dimension" in one:
        return f"{one['dimension']}.{one[key]}"
    return "" if key is None else str(one[key])


def _flat(findings: Iterable[Json]) -> Iterator[Json]:
    """Return findings with those that they explain, each before its consequences."""
    for one in findings:
        yield one
        yield from _flat(one["consequences"])


def _taken(
    steps: Sequence[_Step], known: Iterable[str]
) -> tuple[str | None, Sequence[_Step], Mapping[str, str]]:
    """Return the longest name that steps begin with (names have dots, too), the others, what is chosen."""
    names = set(known)
    for count in range(len(steps), 0, -1):
        name = ".".join(step.name for step in steps[:count])
        if name in names and not any(step.where for step in steps[: count - 1]):
            return name, steps[count:], steps[count - 1].where
    return None, steps, {}


def _nowhere(steps: Sequence[_Step], done: str, known: Iterable[str]) -> NoSuchValue:
    names = list(dict.fromkeys(filter(None, known)))
    # A name may have dots: it is looked for in so many steps, too.
    written = [".".join(step.name for step in steps[: count + 1]) for count in range(len(steps))]
    near = dict.fromkeys(name for one in written for name in difflib.get_close_matches(one, names, 3, 0.75))
    sentences = [
        _("{place} has no {name}.").format(
            place=visible(done, 200) or "--json", name=visible(written[-1], 100)
        )
    ]
    if near:
        sentences.append(_("Did you mean {names}?").format(names=in_list(map(visible, near))))
    if names:
        listed = in_list(map(visible, names[:_MOST_LISTED])) + (" …" if len(names) > _MOST_LISTED else "")
        sentences.append(_("There is {names}.").format(names=listed))
    return NoSuchValue(in_sentences(*sentences))


# The schema


@lru_cache(maxsize=1)
def _definitions() -> Mapping[str, Json]:
    found: Mapping[str, Json] = json.loads(json_schema())["$defs"]
    return found


def _expanded(schemas: Iterable[Json]) -> Iterator[Json]:
    """Return schemas with all that they refer to."""
    for schema in schemas:
        yield schema
        if "$ref" in schema:
            yield from _expanded([_definitions()[schema["$ref"].rpartition("/")[2]]])
        yield from _expanded([*schema.get("anyOf", []), *schema.get("allOf", [])])


def _members(schemas: Iterable[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for schema in _expanded(schemas):
        for key, member in schema.get("properties", {}).items():
            found.setdefault(key, []).append(member)
    return found


def _items(schemas: Iterable[Json]) -> list[Json]:
    return [schema["items"] for schema in _expanded(schemas) if "items" in schema]


def _enumerated(schemas: Iterable[Json]) -> list[str]:
    return [each for schema in _expanded(schemas) for each in schema.get("enum", [])]


def _is_known(schemas: Sequence[Json], steps: Sequence[_Step]) -> bool:
    """Tell whether steps lead somewhere by the schema, where a list's elements may be called anything."""
    if not steps or _items(schemas):
        return True
    members = _members(schemas)
    name, rest, _where = _taken(steps, members)
    return name is not None and _is_known(members[name], rest)
