"""The Overview's line of batch sizes from a sample of the steps, until all of them are read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lbtui.analysis.data_parallel import domains_of, metric
from lbtui.analysis.lanes import bin_edges
from lbtui.analysis.sampled import sampled_bins, sampled_lanes
from lbtui.overview.model import Line, Overview, Place
from lbtui.overview.text import short
from lbtui.profile.sample import StepSample
from lbtui.text import _, visible

# Few, as the highest of several estimates lies above what it estimates.
SAMPLE_BINS = 50
_KEY = "dp.batch_size"


def with_sample(known: Overview, sample: StepSample) -> Overview:
    """Return an overview that has no line of batch sizes yet with that of a sample, over its time."""
    domains = domains_of(sample.steps)
    # As of all steps the line is of one instance: here of that with the most domains.
    counts = [domain.instance for domain in domains]
    instance = max(dict.fromkeys(counts), key=counts.count)
    lanes = sampled_lanes(sample, [d.key for d in domains if d.instance == instance])
    bins = sampled_bins(sample, lanes, bin_edges(*sample.window, SAMPLE_BINS))
    estimates = (bins.mean + bins.low) / 2
    highest = np.where(np.isnan(estimates), -np.inf, estimates).max(axis=0)
    own = metric("batch_size")

    def drawn(line: Line) -> Line:
        return replace(
            line,
            headline=_("a sample"),
            beside=f"{short(100 * sample.share)} %",
            values=tuple(np.where(np.isinf(highest), np.nan, highest).tolist()),
            column=_("highest of {instance}'s domains").format(instance=visible(instance)),
            unit=own.unit,
            over_time=True,
            worst=_("of {file}; PAR once all is read").format(file=sample.file),
            place=Place(instance=instance),
        )

    lines = tuple(drawn(line) if line.key == _KEY else line for line in known.lines)
    return replace(known, lines=lines, window=sample.window)
