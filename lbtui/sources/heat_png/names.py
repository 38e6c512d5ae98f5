"""The names of upstream's heat-map files; needs no image library, so opening a folder stays cheap."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

View: TypeAlias = Literal["rank", "expert", "model_expert"]

# Nine digits at most: the period is an Int32 column, and upstream counts periods from 0.
_NAME = re.compile(
    r"(?P<instance>.+)_eplb_(?P<period>[0-9]{1,9})_summed_hot_map_by_(?P<view>rank|expert|model_expert)\.png",
    re.DOTALL,
)


@dataclass(frozen=True)
class HeatName:
    """What a heat map's file name says: the instance, the EPLB period from 0, and what a column is."""

    instance: str
    period: int
    view: View


def parse_heat_name(file_name: str) -> HeatName | None:
    """Return what `file_name` (without folders) says, or None if it is not the name of a heat map."""
    match = _NAME.fullmatch(file_name)
    if match is None:
        return None
    return HeatName(match["instance"], int(match["period"]), cast(View, match["view"]))
