"""What a child is asked comes to it as it was."""

from pathlib import Path

from lbtui.profile import Reading, SourceFile
from lbtui.runs.task import Task, task_of
from lbtui.thresholds import Expected, Offer, Thresholds


def test_a_task_is_the_same_behind_the_pipe():
    limits = Thresholds(
        p_value=0.02,
        expected=Expected((("node-a/dp3", 0.5),), (("10.0.0.1:80", 2.0),)),
        targets=(("ttft", 500.0), ("e2e", 1e4)),
        offer=Offer(44.5, None),
    )
    file = SourceFile(Path("/raw/ms_service_\udcff\n-1.db"), "raw_profile", "raw_profile", 1 << 40)
    for task in (
        Task(Reading(Path("/a/b\udcff\n"), raw=True), (file, file), limits),
        Task(Reading(Path("/a")), (), Thresholds()),
    ):
        line = task.line()
        assert line.count(b"\n") == 1
        assert task_of(line) == task
