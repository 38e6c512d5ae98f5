from lbtui.report.save import save_new


def profile_in(tmp_path):
    profile = tmp_path / "output"
    profile.mkdir()
    return profile


def test_a_new_file_is_written_where_the_user_says(tmp_path):
    profile = profile_in(tmp_path)
    assert save_new(f" {tmp_path / 'map.json'} ", "{}\n", profile) is None
    assert (tmp_path / "map.json").read_text() == "{}\n"
    assert list(profile.iterdir()) == []


def test_nothing_is_replaced_and_the_profile_stays_as_it_is(tmp_path):
    profile = profile_in(tmp_path)
    (tmp_path / "map.json").write_text("mine")
    (tmp_path / "link.json").symlink_to(profile / "map.json")
    (tmp_path / "dangling.json").symlink_to(tmp_path / "nowhere.json")
    for name, sentence in {
        tmp_path / "map.json": "exists already: name another.",
        profile / "map.json": "lies in the profile's folder, which stays as it is: name another.",
        profile / ".." / "output" / "deep" / "map.json": "lies in the profile's folder",
        tmp_path / "link.json": "lies in the profile's folder",
        tmp_path / "dangling.json": "exists already",
        tmp_path / "no" / "map.json": "cannot be written (No such file or directory).",
        tmp_path: "exists already",
        "": "A file name is needed.",
        "a\0b": "cannot be written",
        "~nobody-of-that-name/map.json": "cannot be written",
        tmp_path / ("x" * 300): "cannot be written",
    }.items():
        assert sentence in save_new(str(name), "{}", profile)
    assert (tmp_path / "map.json").read_text() == "mine"
    assert list(profile.iterdir()) == []
    assert not (tmp_path / "nowhere.json").exists()


def test_control_characters_of_a_name_are_shown_not_obeyed(tmp_path):
    sentence = save_new(str(tmp_path / "no" / "\x1b[31m.json"), "{}", profile_in(tmp_path))
    assert "\x1b" not in sentence
