"""The EP pane of a placement alone, and of counts that tell no ranks."""

from pathlib import Path

from tests.ui.test_ep_pane import run, shown

CASES = Path(__file__).parents[1] / "data" / "expert_files"


def test_a_placement_alone_shows_who_lies_where_and_the_copies():
    async def scenario(app, pilot):
        lines = shown(app)
        assert lines[0].startswith("expert × layer · period 0 (1 of 1) · placement alone, no load: copies")
        assert any("│7" in line for line in lines)  # the last of its 8 ranks
        assert "a placement tells no load" in "\n".join(lines)
        # p_miss: experts that are twice on a rank, and 3 nowhere.
        await pilot.press("v")
        assert shown(app)[0].startswith("model expert × layer")
        for _step in range(80):
            await pilot.press("left")
        for _step in range(3):
            await pilot.press("right")
        assert "expert 3 · nowhere in this layer" in shown(app)[-1]

    run(CASES / "p_miss.json", scenario)


def test_a_map_without_ranks_shows_its_slots():
    async def scenario(app, pilot):
        lines = shown(app)
        assert "ranks unknown" in lines[0]
        assert "rank unknown · expert" in lines[-1]
        assert "copies" in lines[-1]

    run(CASES / "p_sglang.json", scenario, size=(120, 20))


def test_counts_without_a_placement_show_experts_and_ask_for_one():
    async def scenario(app, pilot):
        lines = shown(app)
        assert lines[0].startswith("model expert × layer")
        assert "tokens" in "\n".join(lines)
        assert "no placement tells the ranks" in "\n".join(lines)

    run(CASES / "load.npy", scenario)


def test_nothing_counted_is_no_relative_heat():
    async def scenario(app, pilot):
        lines = shown(app)
        assert "relative heat" not in "\n".join(lines)
        assert "0 tokens" in lines[-1]

    run(CASES / "dump_all_zero", scenario)
