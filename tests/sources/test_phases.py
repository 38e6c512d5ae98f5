import polars as pl

from lbtui.sources.steps.phases import phase_by_type

SAID = {
    "Prefill": "prefill",
    "DECODE": "decode",
    "Prefill,Decode": "mixed",
    "mixed": "mixed",
    "Mixed batch": None,
    "": None,
    None: None,
}


def test_a_type_names_its_phase_wherever_it_stands():
    types = pl.DataFrame({"batch_type": list(SAID) * 3}, {"batch_type": pl.String})
    assert types.select(phase=phase_by_type())["phase"].to_list() == list(SAID.values()) * 3
    assert types.filter(phase_by_type() == "mixed").height == 6
    for none in (types.head(0), types.tail(1)):
        assert none.select(phase=phase_by_type()).schema == {"phase": pl.String}
