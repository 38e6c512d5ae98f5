import numpy as np

from lbtui.analysis.eplb.limits import check_words, limits, routed_tokens
from lbtui.analysis.eplb.recorded import Check, recorded
from lbtui.analysis.eplb.what_if import Settings, what_if
from tests.analysis.eplb.made import series, skewed


def said(made, settings):
    data = recorded([made])
    return limits(data, what_if(data, settings))


def test_what_it_does_not_see_is_always_said():
    for sentence in ("not what sending them costs", "equal part", "1024 tokens"):
        assert any(sentence in text for text in said(skewed(), Settings("global", 8, 8)))


def test_when_eplb_is_not_recommended_is_said_with_this_loads_numbers():
    texts = said(skewed(), Settings("global", 0, 8))
    assert any("8 or fewer experts a die: here 8." in text for text in texts)
    assert not any("experts a die" in text for text in said(skewed(), Settings("global", 8, 8)))
    assert routed_tokens(recorded([skewed()])) == skewed().tokens.sum(dtype=int) / (127 * 26 * 8)
    assert any("fewer than 128 tokens a die: here its experts get 49 an iteration" in text for text in texts)
    many = series(np.full((4, 1, 20), 100), 2)
    assert not any("128 tokens" in text for text in said(many, Settings("global", 0, 2)))
    assert any("No placement is known" in text for text in said(many, Settings("global", 0, 2)))


def test_load_that_stays_on_its_rank_is_said():
    words = check_words(Check(1.05, 1.4, 9))
    assert words.startswith("Expect no such gain: by their experts")
    assert words.endswith("should carry 1.05× the mean; they carried 1.40.")
    assert check_words(Check(1.3, 1.4, 9)).startswith("Load follows its experts: by")
