"""How far reading is: bytes, share, and a rate once it can be told."""

from lbtui.ui.kit.progress_words import Rate, progress_words


def test_bytes_share_and_rate():
    assert progress_words("forward.csv", 151_400_000, 1_726_000_000, None) == (
        "reading forward.csv · 151.4 of 1,726.0 MB · 8 %"
    )
    assert progress_words("forward.csv", 863_000_000, 1_726_000_000, 42_460_000).endswith(
        "863.0 of 1,726.0 MB · 50 % · 42.5 MB/s · 20 s left"
    )


def test_a_file_that_is_read_is_not_being_read():
    assert progress_words("a.csv", 2_000_000, 2_000_000, 1e6) == "a.csv is read (2.0 MB); computing …"


def test_the_time_left_is_what_is_left_at_this_rate():
    assert progress_words("a", 10_000_000, 1_000_000_000, 2e6).endswith("2.0 MB/s · 8 min 15 s left")
    assert progress_words("a", 999_999, 1_000_000, 1e6).endswith("1 s left")


def test_a_small_file_is_no_0_of_0_mb():
    assert progress_words("a", 1_234, 45_600, None) == "reading a · 1.2 of 45.6 kB · 2 %"
    assert progress_words("a", 45_600, 45_600, None) == "a is read (45.6 kB); computing …"
    assert progress_words("a", 0, 0, None) == "reading a"


def test_names_are_shown_without_control_characters():
    assert "\x1b" not in progress_words("a\x1b[31m.csv", 1, 2, None)


def test_the_rate_is_of_the_file_at_hand():
    rate = Rate()
    assert rate.after("a", 0, 10.0) is None
    assert rate.after("a", 900, 10.5) is None
    assert rate.after("a", 3_000, 12.0) == 1_500
    assert rate.after("b", 50, 13.0) is None
    assert rate.after("b", 250, 15.0) == 100
    # Read once more from its beginning.
    assert rate.after("b", 0, 16.0) is None
    assert rate.after("b", 400, 18.0) == 200
