"""A summary made where the data lie, and gathered."""

from lbtui.runs.gathered import summary_file
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
    data, notes = summary_file(profile)
    assert notes == ()
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
    (folder / "run.json").write_text("[]")
    _data, (note,) = summary_file(profile)
    assert note.file == str(folder / "run.json")
