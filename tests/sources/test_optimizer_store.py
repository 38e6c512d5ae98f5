"""The optimizer's store as upstream writes it, and broken."""

import csv
import io
import math

import pytest

from lbtui.profile import Unreadable
from lbtui.sources.optimizer_store import OptimizerRow, read_store, stores_below

FIGURES = ["generate_speed", "time_to_first_token", "time_per_output_token", "success_rate", "throughput"]
PARAMETERS = ["max_batch_size", "support_select_batch", "policy", "REQUESTRATE"]
HEADER = [*FIGURES, *PARAMETERS, "error", "backup", "duration", "real_evaluation", "fitness", "num_prompts"]
MEASURED = [1520.5, 0.82, 0.046, 1.0, 5.1, 128, True, "fcfs", 6.5, None, None, 540.2, True, 3.25, 3000]


def store(tmp_path, *rows, header=HEADER, name="data_storage_20260301101010.csv"):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    path = tmp_path / name
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def row(**changes):
    return [changes.get(name, value) for name, value in zip(HEADER, MEASURED, strict=True)]


def test_figures_and_parameters_are_told_apart(tmp_path):
    found = read_store(store(tmp_path, MEASURED))
    assert found.name == "data_storage_20260301101010.csv"
    assert found.rows == (
        OptimizerRow(
            "data_storage_20260301101010 1",
            {
                "max_batch_size": 128.0,
                "support_select_batch": True,
                "policy": "fcfs",
                "REQUESTRATE": 6.5,
                "num_prompts": 3000.0,
            },
            {
                "requests.throughput.output_tokens": 1520.5,
                "requests.throughput.requests": 5.1,
                "time_to_first_token": 0.82,
                "time_per_output_token": 0.046,
                "success_rate": 1.0,
                "duration": 540.2,
                "fitness": 3.25,
            },
        ),
    )


def test_a_set_that_failed_has_its_error_and_no_figures(tmp_path):
    lost = dict.fromkeys(HEADER[:5])
    found = read_store(store(tmp_path, row(**lost, error='out of\nmemory, "rank 3"', fitness=math.inf)))
    assert found.rows[0].error == 'out of memory, "rank 3"'
    assert set(found.rows[0].figures) == {"duration"}
    assert found.rows[0].parameters["max_batch_size"] == 128


def test_what_the_model_predicted_is_no_measurement(tmp_path):
    found = read_store(store(tmp_path, row(real_evaluation=False), row(real_evaluation=True)))
    assert [one.measured for one in found.rows] == [False, True]


def test_nothing_generated_is_unknown_and_not_zero(tmp_path):
    found = read_store(store(tmp_path, row(generate_speed=0, time_to_first_token=0, success_rate=0)))
    assert "requests.throughput.output_tokens" not in found.rows[0].figures
    assert "time_to_first_token" not in found.rows[0].figures
    assert found.rows[0].figures["success_rate"] == 0


def test_numbers_that_no_benchmark_gives_are_left_out(tmp_path):
    found = read_store(
        store(tmp_path, row(throughput=1e300, fitness="nan", duration="-", generate_speed="x"))
    )
    assert set(found.rows[0].figures) == {"time_to_first_token", "time_per_output_token", "success_rate"}


def test_columns_of_other_versions_are_parameters_as_they_are(tmp_path):
    path = store(tmp_path, [*MEASURED, "a\x1b[31mb"], header=[*HEADER, "new\x07column"])
    own = read_store(path).rows[0].parameters
    assert len(own) == 6
    assert not any("\x1b" in str(value) or "\x07" in name for name, value in own.items())


def test_a_file_without_throughput_of_requests_is_read(tmp_path):
    header = [name for name in HEADER if name != "throughput"]
    own = [value for name, value in zip(HEADER, MEASURED, strict=True) if name != "throughput"]
    assert (
        "requests.throughput.requests" not in read_store(store(tmp_path, own, header=header)).rows[0].figures
    )


def test_a_last_line_that_is_cut_is_taken_as_far_as_it_goes(tmp_path):
    path = store(tmp_path, MEASURED, MEASURED)
    path.write_bytes(path.read_bytes()[:-30])
    assert len(read_store(path).rows) in (1, 2)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\x00" * 100, b"a,b\n1,2\n", b"PK\x03\x04rubbish", b"\xff\xfe\x00\x01", b'"' * 99],
)
def test_what_is_no_such_table_is_told_in_a_sentence(tmp_path, content):
    path = tmp_path / "data_storage_1.csv"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as told:
        read_store(path)
    assert "data_storage_1.csv" in str(told.value)


def test_a_file_that_is_not_there_or_far_too_large_is_told_in_a_sentence(tmp_path):
    with pytest.raises(Unreadable):
        read_store(tmp_path / "data_storage_2.csv")
    large = tmp_path / "data_storage_3.csv"
    with large.open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(Unreadable, match="far too large"):
        read_store(large)


def test_more_rows_than_any_optimisation_has_are_told(tmp_path):
    found = read_store(store(tmp_path, *[MEASURED] * 10_001))
    assert len(found.rows) == 10_000
    assert [note.lost for note in found.notes] == [True]


def test_all_tables_below_a_folder_are_read_and_broken_ones_are_told(tmp_path):
    below = tmp_path / "result" / "store"
    below.mkdir(parents=True)
    store(below, MEASURED, name="data_storage_2.csv")
    store(tmp_path, MEASURED, MEASURED, name="data_storage_1.csv")
    store(tmp_path, MEASURED, name="other.csv")
    (tmp_path / "data_storage_0.csv").write_bytes(b"a,b\n")
    (tmp_path / "data_storage_3.csv").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path)
    stores, notes = stores_below(tmp_path)
    assert [(one.name, len(one.rows)) for one in stores] == [
        ("data_storage_1.csv", 2),
        ("data_storage_2.csv", 1),
    ]
    assert [(note.file, note.verdict) for note in notes] == [("data_storage_0.csv", "unreadable")]
    assert stores_below(tmp_path / "none") == ((), ())
