"""What a slice says of itself, as fields in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lbtui.profile.slices import SliceFields
from lbtui.sources.safe_values import count, request_ids

_IDS = ("res_list", "rid")
_TOKENS = ("num_scheduled_tokens=", "num_scheduled_tokens")  # vLLM's hooks leave MindIE's `=` out
_LONGEST = 300  # characters of one field: a table of experts has tens of thousands
_FIELDS = 60


def fields_of(args: Mapping[str, Any]) -> SliceFields:
    """Return the fields of a slice's args: the ids of its requests apart, what is long cut."""
    listed = next((args[name] for name in _IDS if args.get(name) is not None), None)
    requests = () if listed is None else tuple(dict.fromkeys(request_ids(listed)))
    fields = []
    for name, value in list(args.items())[:_FIELDS]:
        if name in _IDS and len(requests) and not isinstance(value, list):
            continue
        fields.append((str(name).rstrip("="), _words(value)))
    if (tokens := _tokens(listed)) is not None:
        fields.insert(0, ("tokens", str(tokens)))
    return SliceFields(tuple(fields), requests)


def _tokens(listed: Any) -> int | None:
    """Return how many tokens are scheduled for all requests of a list; None where it does not tell."""
    if not isinstance(listed, list):
        return None
    told = [each[key] for each in listed if isinstance(each, dict) for key in _TOKENS if key in each]
    counts = [known for each in told if (known := count(each)) is not None]
    return sum(counts) if told and len(counts) == len(told) else None


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) > _LONGEST:
        value = value[:_LONGEST]
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
