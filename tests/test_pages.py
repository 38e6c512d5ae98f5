"""The pages in the checkout: links, files and names that they tell are there; the user's is short."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "lbtui/README.md", "tests/README.md")
LINKING = (*PAGES, ".github/CONTRIBUTING.md", "lbtui/CHANGELOG.md")
# Made up, to be replaced.
NAME = re.compile("NAME|PATH|DIR|FILE|…")
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def prose(page):
    """Return a page without what stands between fences: commands and pictures."""
    return re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)


@cache
def files():
    folders = (ROOT / name for name in ("lbtui", "tests", ".ci"))
    found = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    return [f"/{path.relative_to(ROOT)}" for path in found if "__pycache__" not in path.parts]


@cache
def words():
    code = [path for folder in ("lbtui", "tests") for path in (ROOT / folder).rglob("*.py")]
    return set(re.findall(r"[A-Za-z_]\w*", "\n".join(path.read_text(encoding="utf-8") for path in code)))


def test_the_page_for_users_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("page", LINKING)
def test_what_a_page_links_to_is_there(page):
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", prose(page)) if "://" not in link]
    assert links
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES[1:])
def test_the_files_that_a_page_names_are_there(page):
    spans = [span for span in SPAN.findall(prose(page)) if not NAME.search(span) and " " not in span]
    named = [span for span in spans if re.fullmatch(r"[\w./]+(?:/|\.(?:py|md|tcss))", span)]
    known = files()
    missing = [
        one
        for one in named
        if one not in ("screenshots/", "../README.md", "pyproject.toml")
        and not any(file.endswith("/" + one.strip("/")) for file in known)
    ]
    assert len(named) > 5
    assert missing == []


@pytest.mark.parametrize("page", PAGES[1:])
def test_the_names_that_a_page_tells_are_in_the_code(page):
    spans = [span for span in SPAN.findall(prose(page)) if not NAME.search(span)]
    calls = (re.fullmatch(r"([A-Za-z_][\w.]*)(?:\(.*\))?", span) for span in spans)
    told = [call[1] for call in calls if call and not re.search(r"\.(?:py|csv|db|toml)$", call[1])]
    modules = {Path(file).stem for file in files()}
    assert len(told) > 5
    # What a finding's id is made of.
    assert {name for one in told for name in one.split(".")} - words() - modules - {"dimension"} == set()
