"""Compare what `find_all` finds with what was put into a folder of profiles: a table and its totals.

    python tests/bench/findings.py FOLDER [out] [raw]

Each case is FOLDER/<name>/ with `out/` (what the parser wrote), `raw/` (what was recorded; `finding_cases`
makes both) and `truth.json`: `expected` (a list of `id`
— one or several acceptable ones — with subject keys and maybe a `window`), `may` (ids that may rightly
appear beside them) and `even` (nothing was put in). An expected fault counts as found if an id of its own
carries its subject and overlaps its window, as a finding or as the consequence of one. `role` of a domain is
that of its instance (`-d` or `-p` in its name). A missed fault of the experts is "no data" where the parser
wrote no expert heat (`--format csv` without pictures); the totals are given with and without these. Where
both are read, a last table has what is found in one of them only, whether a fault, a warning or a remark.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lbtui.findings import Finding, find_all
from lbtui.sources import open_profile

_FOUND = ("finding", "consequence")
_SUBJECT = ("dp_rank", "pid", "address", "rank", "expert", "layer")


@dataclass(frozen=True)
class Result:
    """One case: its name, each expected fault with how it was found, the first finding, wrong warnings."""

    name: str
    found: tuple[tuple[str, str], ...]  # (fault, "finding", "consequence", "missed" or "no data")
    first_right: bool | None  # None unless a single fault was put into the service
    wrong: tuple[str, ...]
    even: bool
    said: tuple[str, ...] = ()  # every finding, whether right or not


def judged(case: Path, folder: str = "out") -> Result:
    """Return how one case went, read from one of its folders."""
    truth = json.loads((case / "truth.json").read_text())
    profile = open_profile(case / folder)
    findings = find_all(profile)
    heat = profile.load("expert_heat").frame.height > 0
    expected = truth["expected"]
    warned = [f for f in findings if f.severity != "info" and f.dimension != "data"]
    first = warned[0] if warned else None
    # What is wrong with the recording is told behind what is wrong with the service.
    ordered = len(expected) == 1 and not str(expected[0]["id"]).startswith("data.")
    return Result(
        truth["name"],
        tuple((_named(fault), _place(fault, findings, heat)) for fault in expected),
        first is not None and _matches(expected[0], first) if ordered else None,
        tuple(_short(f) for f in warned if f.id not in truth["may"] and not _about(expected, f)),
        truth["even"],
        tuple(sorted(_of_whom(f) for f in (*findings, *_below(findings)) if f.dimension != "data")),
    )


def _of_whom(finding: Finding) -> str:
    keys = " ".join(f"{k}={v}" for k, v in sorted(finding.subject.items()))
    return f"{finding.severity} {finding.id} {keys}"


def _place(fault: dict[str, Any], findings: tuple[Finding, ...], heat: bool) -> str:
    if any(_matches(fault, f) for f in findings):
        return "finding"
    if any(_matches(fault, f) for f in _below(findings)):
        return "consequence"
    return "missed" if heat or not str(fault["id"]).startswith("ep.") else "no data"


def _below(findings: tuple[Finding, ...]) -> Iterator[Finding]:
    for finding in findings:
        yield from finding.consequences
        yield from _below(finding.consequences)


def _about(expected: list[dict[str, Any]], finding: Finding) -> bool:
    """Tell whether a warning is on a fault that was put in."""
    return any(_matches(fault, finding) for fault in expected)


def _matches(fault: dict[str, Any], finding: Finding) -> bool:
    ids = [fault["id"]] if isinstance(fault["id"], str) else fault["id"]
    if finding.id not in ids or finding.severity == "info":
        return False
    for key in _SUBJECT:
        wanted = fault.get(key)
        if wanted is not None and wanted != "*" and finding.subject.get(key) != wanted:
            return False
    if fault.get("layer") == "*" and "layer" in finding.subject:
        return False
    return _in_role(fault, finding) and _overlaps(fault, finding)


def _in_role(fault: dict[str, Any], finding: Finding) -> bool:
    role = fault.get("role")
    if role is None:
        return True
    if "address" in fault or "role" in finding.subject:
        return finding.subject.get("role") == role
    return re.search(rf"-{role[0]}\d", str(finding.subject.get("instance"))) is not None


def _overlaps(fault: dict[str, Any], finding: Finding) -> bool:
    if "window" not in fault or finding.window is None:
        return True
    start, end = (datetime.fromisoformat(t).astimezone(timezone.utc) for t in fault["window"])
    own_start, own_end = (t.replace(tzinfo=timezone.utc) for t in finding.window)
    return bool(own_start < end and start < own_end)


def _named(fault: dict[str, Any]) -> str:
    ids = fault["id"] if isinstance(fault["id"], str) else "/".join(fault["id"])
    return " ".join([ids, *(f"{k}={fault[k]}" for k in _SUBJECT if fault.get(k) is not None)])


def _short(finding: Finding) -> str:
    keys = " ".join(f"{k}={v}" for k, v in finding.subject.items() if k in (*_SUBJECT, "role"))
    return f"{finding.id} {keys} {finding.value:.2f}"


def table(results: list[Result]) -> str:
    """Return the table and its totals as text."""
    lines = [f"{'case':<15} {'expected':<52} {'found as':<12} {'first':<6} wrong warnings"]
    for result in results:
        first = {True: "yes", False: "NO", None: ""}[result.first_right]
        wrong = "; ".join(result.wrong)
        rows = result.found or (("even" if result.even else "", ""),)
        for i, (fault, place) in enumerate(rows):
            head = (result.name, first, wrong) if i == 0 else ("", "", "")
            lines.append(f"{head[0]:<15} {fault:<52} {place:<12} {head[1]:<6} {head[2]}".rstrip())
    places = [place for r in results for _fault, place in r.found]
    shown = [place for place in places if place != "no data"]
    singles = [r.first_right for r in results if r.first_right is not None]
    shown_singles = [
        r.first_right for r in results if r.first_right is not None and r.found[0][1] != "no data"
    ]
    even = [r for r in results if r.even]
    lines += [
        "",
        f"cases {len(results)}, even {len(even)}",
        f"recall {_rate(sum(p in _FOUND for p in places), len(places))}, of those with data "
        f"{_rate(sum(p in _FOUND for p in shown), len(shown))}",
        f"injected first in single-fault cases {_rate(sum(singles), len(singles))}, of those with data "
        f"{_rate(sum(shown_singles), len(shown_singles))}",
        f"even cases without a warning {_rate(sum(not r.wrong for r in even), len(even))}",
        f"other warnings in uneven cases: {sum(len(r.wrong) for r in results if not r.even)}",
    ]
    return "\n".join(lines)


def differences(folders: Sequence[str], results: Sequence[list[Result]]) -> str:
    """Return what was found in one of the folders and not in another."""
    lines = []
    for of_case in zip(*results, strict=True):
        every = sorted({said for result in of_case for said in result.said})
        lines += [
            f"{of_case[0].name:<15} in {', '.join(found)} only: {said}"
            for said in every
            if len(found := [f for f, r in zip(folders, of_case, strict=True) if said in r.said])
            < len(folders)
        ]
    return "\n".join([*lines, f"{len(lines)} findings in one only"])


def _rate(count: int, total: int) -> str:
    return f"{count}/{total}" + (f" = {count / total:.0%}" if total else "")


def main(folder: str, *read: str) -> None:
    """Print the table of a folder's cases, for each of the folders that are `read`."""
    cases = sorted(truth.parent for truth in Path(folder).glob("*/truth.json"))
    found = []
    for name in read or ("out",):
        found.append([judged(case, name) for case in cases])
        print(f"{name}\n{table(found[-1])}\n")
    if len(found) > 1:
        print(differences(read, found))


if __name__ == "__main__":
    main(*sys.argv[1:])
