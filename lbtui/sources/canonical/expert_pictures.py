"""Expert heat read back from upstream's pictures, where no table of it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from lbtui.profile import Loaded, Note, Progress, Provenance, Unreadable, empty
from lbtui.sources.failure import unreadable_note
from lbtui.sources.frame import canonical
from lbtui.sources.store import Store
from lbtui.text import _, visible

if TYPE_CHECKING:
    from lbtui.sources.heat_png import HeatMap


def read_pictures(store: Store, notes: list[Note], progress: Progress) -> Loaded:
    """Return `expert_heat` as far as pictures tell; `notes` are those so far."""
    if not store.output.heat_maps:
        return Loaded(empty("expert_heat"), notes=tuple(notes))
    from lbtui.sources.heat_png import read_heat_map

    maps: list[HeatMap] = []
    provenance: list[Provenance] = []
    sizes = store.output.sizes
    total = sum(sizes[path] for path in store.output.heat_maps)
    done = 0
    for path in store.output.heat_maps:
        progress.advance(path.name, done, total)
        try:
            heat = read_heat_map(path)
        except Unreadable as error:
            notes.append(unreadable_note(path.name, error))
        else:
            maps.append(heat)
            precision = _("1/256 of the map's range")
            provenance.append(Provenance(visible(path.name), "heat_png", precision, heat.relative.size))
            if heat.note:
                notes.append(Note(visible(path.name), heat.note))
        done += sizes[path]
    # The number of ranks outlives a period: another's picture tells it as well.
    ranks = {m.name.instance: m.relative.shape[1] for m in maps if m.name.view == "rank"}
    frames = [_cells(heat, ranks.get(heat.name.instance), notes) for heat in maps]
    if not frames:
        return Loaded(empty("expert_heat"), notes=tuple(notes))
    notes.append(
        Note(
            _("heatmap pictures"),
            _("Expert heat is read back from pictures: each layer's shares are known, token counts are not."),
        )
    )
    return Loaded(pl.concat(frames, rechunk=True), tuple(provenance), tuple(notes))


def _cells(heat: HeatMap, ranks: int | None, notes: list[Note]) -> pl.DataFrame:
    layers, columns = heat.relative.shape
    view = heat.name.view
    slots = columns // ranks if ranks and columns % ranks == 0 else None
    if view == "expert" and slots is None:
        notes.append(
            Note(
                visible(f"{heat.name.instance} {heat.name.period}"),
                _("No by_rank picture tells how many slots a rank has; rank boundaries are unknown."),
            )
        )
    column = pl.col("column")
    frame = pl.DataFrame(
        {
            "layer": [layer for layer in range(layers) for _column in range(columns)],
            "column": list(range(columns)) * layers,
            "share": heat.shares.ravel() if heat.shares is not None else [None] * (layers * columns),
            "relative": heat.relative.ravel(),
        },
        schema_overrides={"share": pl.Float64},
    )
    null = pl.lit(None, pl.Int32)
    rank = column if view == "rank" else column // slots if view == "expert" and slots else null
    slot = column % slots if view == "expert" and slots else null
    frame = frame.with_columns(
        instance=pl.lit(visible(heat.name.instance)),
        view=pl.lit(view),
        period=pl.lit(heat.name.period),
        rank=rank,
        slot=slot,
        expert=column if view == "model_expert" else null,
        tokens=pl.lit(None, pl.Int64),
        phase=pl.lit(None, pl.String),
    )
    return canonical(frame, "expert_heat")
