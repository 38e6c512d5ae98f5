import gzip
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lbtui import __version__
from lbtui.options import parser
from tests.sources.made import Service, write
from tests.sources.raw_samples import lay_out_raw
from tests.tools.expert_format import RawMark, dump_config, placement_of, write_dump, write_raw

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"


def run(*arguments, cwd=None, **environment):
    """Run the command without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "lbtui", *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **environment},
        cwd=cwd,
        timeout=1200,
        check=False,
    )


PRINTED = {
    "--version": __version__,
    "--help": "path",
    "--manual": "findings",
    "--man": ".th lbtui",
    "--json-schema": "$defs",
    "--config-example": "[thresholds]",
    "--completion=bash": "complete",
}


@pytest.mark.parametrize("option", PRINTED)
def test_what_is_only_printed_imports_neither_polars_nor_textual(option):
    code = (
        "import sys\nfrom lbtui.cli import main\n"
        "try:\n    main([sys.argv[1]])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'polars', 'textual', 'numpy', 'rich'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, option], capture_output=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert PRINTED[option] in done.stdout.decode().lower()


def test_without_a_terminal_prints_the_overview_as_plain_text():
    done = run(DATA / "pd_ep")
    assert done.returncode == 0
    assert done.stderr == b""
    assert b"\x1b" not in done.stdout
    assert "10.20.0.12:1025: 71 % of 168" in done.stdout.decode()


def test_without_a_terminal_findings_come_first():
    done = run(DATA / "csv_only")
    lines = done.stdout.decode().splitlines()
    assert lines[2].startswith("Findings")
    assert "KV   dp3 node-a" in lines[3]


@pytest.mark.parametrize("arguments", [("--report",), ("--report", "text"), ("--report=text",)])
def test_report_is_the_text_that_a_pipe_gets_and_may_stand_before_the_path(arguments):
    piped = run(DATA / "csv_only").stdout
    for order in ([DATA / "csv_only", *arguments], [*arguments, DATA / "csv_only"]):
        done = run(*order)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == piped


def test_report_markdown_is_a_page():
    done = run("--report", "markdown", DATA / "csv_only")
    assert done.returncode == 0
    assert done.stdout.decode().startswith("# Load imbalance of `csv_only`")
    assert b"### 1. dp3 node-a" in done.stdout
    assert b"```text" in done.stdout


@pytest.mark.parametrize("mode", [("--json",), ("--report", "markdown"), ()])
@pytest.mark.parametrize(
    ("profile", "level", "code"),
    [
        ("csv_only", "critical", 1),
        ("csv_only", "warning", 1),
        # Its findings are of the data alone: a short capture fails nothing.
        ("even_small", "warning", 0),
    ],
)
def test_fail_on_sets_the_exit_code(mode, profile, level, code):
    done = run(DATA / profile, "--fail-on", level, *mode)
    assert done.returncode == code
    assert done.stderr == b""
    if mode == ("--json",):
        assert [f for f in json.loads(done.stdout)["findings"] if f["dimension"] == "data"]


def test_fail_on_critical_passes_a_warning(tmp_path):
    warning = tmp_path / "c.toml"
    # Nothing is critical where exhaustion is out of reach; the uneven pool stays a warning.
    warning.write_text("[thresholds]\nkv_exhausted_share = 100\ndp_batch_ratio = 1e9\n")
    options = (DATA / "csv_only", "--config", warning, "--json", "--fail-on")
    levels = {f["severity"] for f in json.loads(run(*options, "critical").stdout)["findings"]}
    assert levels == {"warning", "info"}
    assert run(*options, "critical").returncode == 0
    assert run(*options, "warning").returncode == 1


def ids(done):
    assert done.returncode == 0, done.stderr
    return {f["id"] for f in json.loads(done.stdout)["findings"]}


def test_config_comes_from_the_option_else_from_the_users_folder_else_there_is_none(tmp_path):
    strict = tmp_path / "xdg" / "lbtui" / "config.toml"
    strict.parent.mkdir(parents=True)
    strict.write_text("[thresholds]\nshort_capture_seconds = 1\n")
    home = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    json_of = (DATA / "vllm_small", "--json")
    assert "data.capture.short" in ids(run(*json_of, XDG_CONFIG_HOME=str(tmp_path)))
    assert "data.capture.short" not in ids(run(*json_of, **home))
    own = tmp_path / "own.toml"
    own.write_text("[thresholds]\nshort_capture_seconds = 60\n")
    assert "data.capture.short" in ids(run(*json_of, "--config", own, **home))
    dot = tmp_path / ".config"
    (tmp_path / "xdg").rename(dot)
    assert "data.capture.short" not in ids(run(*json_of, XDG_CONFIG_HOME="", HOME=str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[thresholds]\nno_such = 1\n", "no_such"),
        ("[thresholds]\np_value = 'x'\n", "p_value must be a number"),
        ("[thresholds\n", "TOML"),
        (None, "none.toml"),
    ],
)
def test_a_bad_config_is_wrong_usage_with_its_sentence(tmp_path, text, words):
    path = tmp_path / "none.toml"
    if text is not None:
        path.write_text(text)
    done = run(DATA / "csv_only", "--config", path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"lbtui: ")
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_bad_config_in_the_users_folder_is_wrong_usage_too(tmp_path):
    path = tmp_path / "lbtui" / "config.toml"
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe")
    done = run(DATA / "csv_only", "--json", XDG_CONFIG_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, b"")
    assert str(path) in done.stderr.decode()


def test_a_stream_that_is_not_utf8_gets_ascii():
    done = run(DATA / "pd_ep", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"10.20.0.12:1025: 71 % of 168" in done.stdout


def test_json_and_export_together_keep_json_alone_on_stdout(tmp_path):
    done = run(DATA / "pd_ep", "--json", "--export", tmp_path / "out")
    assert done.returncode == 0
    assert json.loads(done.stdout)["schema"] == 1
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    frames = ["batches", "handoffs", "kv", "latency_parts", "nodes", "requests", "steps", "transfers"]
    assert names == [f"{name}.csv" for name in frames]
    assert all(name in done.stderr.decode() for name in names)


def test_export_names_each_file_and_refuses_to_write_twice(tmp_path):
    first = run(DATA / "pd_ep", "--export", tmp_path, "--format", "parquet")
    assert (first.returncode, first.stderr) == (0, b"")
    assert f"{tmp_path / 'nodes.parquet'}: 72 rows" in first.stdout.decode()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    second = run(DATA / "pd_ep", "--export", tmp_path, "--format", "parquet")
    assert second.returncode == 2
    assert second.stdout == b""
    assert b"nodes.parquet" in second.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "nodes.parquet").write_bytes(b"mine")
    third = run(DATA / "pd_ep", "--export", tmp_path, "--format", "parquet", "--force")
    assert (third.returncode, third.stdout) == (0, first.stdout)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_cells_that_were_defused_are_told(tmp_path):
    folder = tmp_path / "output"
    folder.mkdir()
    raw = (DATA / "pd_ep" / "coordinator.csv").read_bytes()
    (folder / "coordinator.csv").write_bytes(raw.replace(b"10.20.0.12:1025", b"=A1"))
    done = run(folder, "--export", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, b"")
    nodes = (tmp_path / "out" / "nodes.csv").read_text()
    assert nodes.count("'=A1") > 0
    assert f"; {nodes.count(chr(39) + '=A1')} cells that a spreadsheet would execute" in done.stdout.decode()


def test_nothing_is_written_beside_the_users_files(tmp_path):
    folder = tmp_path / "output"
    shutil.copytree(DATA / "pd_ep", folder)
    before = sorted(folder.iterdir())
    assert run(folder, "--json").returncode == 0
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("a", "b"),
        ("--demo", "path"),
        ("--nonsense",),
        ("a", "--json", "--report"),
        ("--demo", "--color", "512"),
        ("--demo", "--color"),
        ("--demo", "--format", "xlsx"),
        ("--demo", "--fail-on", "info"),
        ("--demo", "--fail-on", "worse"),
        ("--demo", "--report", "--ascii=yes"),
        ("--demo", "--slo", "ttft"),
        ("--demo", "--slo"),
    ],
)
def test_wrong_usage_exits_2(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert b"usage: lbtui" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ttfb=500", "ttfb=500 is no target"),
        ("", "is no target"),
        ("ttft=500,", "is no target"),
        ("ttft=", "ttft wants a number of ms above 0"),
        ("ttft=nan", "ttft wants a number of ms above 0"),
        ("ttft=1e3", "ttft wants a number of ms above 0"),
        ("tpot=-5", "tpot wants a number of ms above 0"),
        ("tpot=0", "tpot wants a number of ms above 0"),
        ("e2e=999999999999", "up to 100,000,000"),
        ("ttft=1,ttft=2", "ttft is given twice"),
        ("\x1b[31m=1", r"\x1b[31m=1 is no target"),
    ],
)
def test_what_is_no_target_is_wrong_usage_with_a_sentence(capsys, text, words):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--slo", text])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert "\x1b" not in said


def test_targets_are_taken_in_any_order():
    assert parser().parse_args(["--slo", "e2e=2.5,ttft=500"]).slo == (("ttft", 500.0), ("e2e", 2.5))


def test_targets_of_the_command_line_go_over_those_of_the_config(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("[slo]\nttft = 100\ne2e = 2000\n")

    def targets(*arguments):
        done = run(DATA / "csv_only", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["slo"]
        return {name: limit for name, limit in found["targets"].items() if name != "unit"}

    assert targets("--config", config) == {"ttft": 100, "tpot": None, "e2e": 2000}
    # All of them: only what is given counts.
    assert targets("--config", config, "--slo", "tpot=50") == {"ttft": None, "tpot": 50, "e2e": None}


def test_a_baseline_is_judged_by_the_same_targets():
    done = run(DATA / "csv_only", "--baseline", DATA / "even_small", "--json")
    found = json.loads(done.stdout)
    rows = {row["metric"]: row for row in found["comparison"] if row["metric"] in ("attainment", "goodput")}
    assert rows.keys() == {"attainment", "goodput"}
    # Equal p95 of its own run would have called them alike.
    assert rows["attainment"]["after"] < 0.7 < 0.85 < rows["attainment"]["before"]
    assert rows["attainment"]["verdict"] == rows["goodput"]["verdict"] == "worse"
    assert any("p95 of the baseline run" in note for note in found["baseline"]["notes"])
    given = run(DATA / "csv_only", "--baseline", DATA / "even_small", "--json", "--slo", "ttft=100")
    found = json.loads(given.stdout)
    (row,) = (row for row in found["comparison"] if row["metric"] == "attainment")
    assert row["after"] == pytest.approx(found["slo"]["attainment"])
    assert "Targets of both: TTFT ≤ 100 ms." in found["baseline"]["notes"]


def test_no_such_path_and_nothing_readable_exit_3_with_one_sentence(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        done = run(path)
        assert (done.returncode, done.stdout) == (3, b"")
        assert done.stderr.count(b"\n") == 1
        assert str(path) in done.stderr.decode()


def test_a_baseline_that_cannot_be_read_exits_3_and_is_named(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        done = run(DATA / "pd_ep", "--baseline", path, "--json")
        assert (done.returncode, done.stdout) == (3, b"")
        assert done.stderr.count(b"\n") == 1
        assert str(path) in done.stderr.decode()


def test_fail_on_worse_tells_a_change_from_none(tmp_path):
    even = tmp_path / "even"
    even.mkdir()
    for packed in (DATA / "even_small").iterdir():
        (even / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    worse = run(DATA / "csv_only", "--baseline", even, "--fail-on", "worse", "--json")
    assert (worse.returncode, worse.stderr) == (1, b"")
    rows = {row["metric"]: row for row in json.loads(worse.stdout)["comparison"]}
    assert rows["usage.spread"]["verdict"] == "worse"
    same = run(even, "--baseline", even, "--fail-on", "worse", "--report")
    assert (same.returncode, same.stderr) == (0, b"")
    assert f"Compared with {even}" in same.stdout.decode()


def test_several_outputs_are_reported_side_by_side_and_what_is_of_one_lists_them(tmp_path):
    for name in ("one", "two\x1b[31m"):
        shutil.copytree(DATA / "pd_ep", tmp_path / name)
    told = run(tmp_path, "--json")
    assert (told.returncode, told.stderr) == (0, b"")
    assert [each["name"] for each in json.loads(told.stdout)["runs"]] == ["one", "two\\x1b[31m"]
    done = run(tmp_path, "--sql", "SHOW TABLES")
    assert (done.returncode, done.stdout) == (2, b"")
    assert str(tmp_path / "one") in done.stderr.decode()
    assert "two\\x1b[31m" in done.stderr.decode()
    assert b"\x1b" not in done.stderr


def test_without_a_path_the_output_here_or_below_is_meant(tmp_path):
    nothing = run("--json", cwd=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (2, b"")
    sentence = f"lbtui: no parsed output lies in {tmp_path} or below; give its path, or --demo\n"
    assert nothing.stderr.decode() == sentence
    shutil.copytree(DATA / "even_small", tmp_path / "a" / "output")
    found = run("--json", cwd=tmp_path)
    assert (found.returncode, found.stderr) == (0, b"")
    assert json.loads(found.stdout)["profile"]["path"] == str(tmp_path / "a" / "output")
    shutil.copytree(DATA / "even_small", tmp_path / "b")
    several = run("--json", cwd=tmp_path)
    assert (several.returncode, several.stderr) == (0, b"")
    assert {each["name"] for each in json.loads(several.stdout)["runs"]} == {"a/output", "b"}


def test_a_closed_pipe_is_no_error():
    command = [sys.executable, "-m", "lbtui", str(DATA / "pd_ep"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(1200) == 0


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_gets_the_plain_report(term):
    parent, child = pty.openpty()
    try:
        done = subprocess.Popen(
            [sys.executable, "-m", "lbtui", str(DATA / "pd_ep")],
            stdin=child,
            stdout=child,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": term, "LC_ALL": "C.UTF-8"},
        )
        os.close(child)
        text = b""
        while True:
            try:
                data = os.read(parent, 1 << 16)
            except OSError:
                break
            if not data:
                break
            text += data
        assert done.wait(1200) == 0
        assert done.stderr.read() == b""
        done.stderr.close()
    finally:
        os.close(parent)
    assert b"\x1b" not in text
    assert b"71 % of 168" in text


def test_a_raw_profile_opens_alone_and_beside_an_output(tmp_path):
    raw = lay_out_raw(tmp_path / "raw")
    alone = json.loads(run(raw, "--json").stdout)
    assert [(e["instance"], e["periods"], e["layers"], e["ranks"]) for e in alone["profile"]["experts"]] == [
        ("mindie-server-d0", 3, 4, 16)
    ]
    assert {(s["reader"], s["status"], s["rows"]) for s in alone["profile"]["sources"]} == {
        ("raw_profile", "read", 19)
    }
    assert "forward passes" in [one["what"] for one in alone["profile"]["missing"]]
    both = json.loads(run(DATA / "csv_only", "--json", "--experts", raw).stdout)
    assert both["profile"]["experts"] == alone["profile"]["experts"]
    assert both["profile"]["dp_domains"]
    refused = run(DATA / "csv_only", "--json", "--experts", tmp_path / "none")
    assert refused.returncode == 3
    assert "holds no raw profile" in refused.stderr.decode()


def test_a_raw_profile_found_near_an_output_stands_among_the_files_read(tmp_path):
    """Its files hold 4 and 2 marks; that of another run is not read, and not named."""
    host, output = "node-listed", tmp_path / "run" / "output"
    write(output, Service(host, 10, (11,), 0, 0, (1, 2, 3)))
    for rank, (pid, count) in enumerate([(10, 4), (12, 2)]):
        marks = [RawMark(n, {"rank": rank, "expert_hot": [[n, 2 * n]]}) for n in range(1, count + 1)]
        write_raw(tmp_path / "run" / "Trace_Service", host, pid, marks)
    write_raw(tmp_path / "other", host, 99, [RawMark(1, {"rank": 0, "expert_hot": [[1, 2]]})])
    sources = json.loads(run(output, "--json").stdout)["profile"]["sources"]
    raw = [(s["file"], s["rows"], s["status"], s["size"]) for s in sources if s["reader"] == "raw_profile"]
    paths = sorted((tmp_path / "run" / "Trace_Service").iterdir())
    assert raw == [
        (path.name, rows, "read", path.stat().st_size) for path, rows in zip(paths, (4, 2), strict=True)
    ]
    assert len(sources) == len(raw) + len(list(output.iterdir()))


def test_a_dump_and_a_placement_open_alone(tmp_path):
    ranks = {rank: [[[5, rank], [1, 2]], [[9, 9], [4, 2]]] for rank in range(2)}
    write_dump(tmp_path / "dump", "decode", ranks, dump_config(2, 4))
    placement = tmp_path / "expert_map.json"
    placement.write_text(json.dumps(placement_of([[[0, 1], [2, 3]], [[3, 2], [1, 0]]])))
    dump = json.loads(run(tmp_path / "dump", "--json").stdout)
    assert [(e["instance"], e["layers"], e["ranks"]) for e in dump["profile"]["experts"]] == [
        ("dump decode", 2, 2)
    ]
    assert run(placement, "--json").returncode == 0
    done = run(tmp_path / "dump", "--placement", placement, "--export", tmp_path / "out")
    assert done.returncode == 0
    assert "placements.csv: 8 rows" in done.stdout.decode()
    placement.write_text("{")
    refused = run(tmp_path / "dump", "--placement", placement)
    assert refused.returncode == 3
    assert refused.stderr.decode().startswith(
        "lbtui: expert_map.json is no placement of experts (it is no JSON"
    )


def test_phases_of_a_dump_are_judged_apart(tmp_path):
    """Prefill is even, decode has a rank with five times the load of the others."""
    even = {rank: [[[100, 100]] * 4, [[200, 200]] * 4] for rank in range(4)}
    uneven = {rank: [[[500 if rank == 2 else 100, 100]] * 4] for rank in range(4)}
    write_dump(tmp_path / "dump", "prefill", even, dump_config(4, 8))
    write_dump(tmp_path / "dump", "decode", uneven, dump_config(4, 8))
    report = json.loads(run(tmp_path / "dump", "--json").stdout)
    assert [e["instance"] for e in report["profile"]["experts"]] == ["dump decode", "dump prefill"]
    found = {(f["id"], f["subject"].get("instance")) for f in report["findings"] if f["dimension"] == "ep"}
    assert found
    assert {instance for _id, instance in found} == {"dump decode"}
