"""A summary made where the data lie, and gathered."""

from lbtui.profile import Reading
from lbtui.runs.gathered import summary_bytes
from lbtui.runs.reading import Asked, read_all
from lbtui.runs.summarise import summarised
from lbtui.runs.text import from_bytes
from lbtui.sources import identity_of, open_profile
from lbtui.sources.runs_below import runs_below
from tests.sources.recorded import CSV_ONLY, lay_out


def test_a_gathered_summary_tells_what_the_run_itself_does(tmp_path):
    folder = lay_out(tmp_path / "there" / "p_nodes=2,dp=rr" / "output", *CSV_ONLY)
    (folder.parent / "run.json").write_text('{"dp": "least"}')
    profile = open_profile(folder)
    data = summary_bytes(profile)
    told = from_bytes(data)
    own = summarised(profile)
    assert (told.name, told.path, told.raw) == ("output", str(folder), False)
    assert told.parameters == {"p_nodes": 2.0, "dp": "least"}
    assert told.summary.identity == identity_of(profile)
    assert (told.summary.start, told.summary.shape) == (own.start, own.shape)
    (tmp_path / "here" / "week=1").mkdir(parents=True)
    for name in ("monday", "tuesday"):
        (tmp_path / "here" / "week=1" / name).write_bytes(data)
    runs = read_all(runs_below(tmp_path / "here"), Asked())
    assert [run.name for run in runs] == ["week=1/tuesday", "week=1/monday"]
    assert runs[0].parameters == {"p_nodes": 2.0, "dp": "least", "week": 1.0}
    assert runs[0].begun == own.start
    assert runs[0].reading == Reading(folder)
    (folder / "run.json").write_text("[]")
    assert from_bytes(summary_bytes(profile)).parameters == {"p_nodes": 2.0, "dp": "least"}
