"""Print the oldest version of each library that pyproject.toml admits, as constraints for pip."""

import re
from pathlib import Path

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"
# As in `"numpy>=1.26,<3",  # why`, and with a marker behind `;`.
_BOUND = re.compile(
    r'^    "(?P<name>[\w.-]+)>=(?P<least>[\w.]+)[^";]*(?P<marker>;[^"]*)?",(\s+#.*)?$', re.MULTILINE
)


def constraints(project: str) -> list[str]:
    """Return a line for each of `dependencies`; raises `ValueError` where one has no least version."""
    dependencies = project.partition("\ndependencies = [\n")[2].partition("\n]\n")[0] + "\n"
    stated = [line for line in dependencies.splitlines() if line.strip().startswith('"')]
    found = [f"{at['name']}=={at['least']}{at['marker'] or ''}" for at in _BOUND.finditer(dependencies)]
    if len(found) != len(stated):
        raise ValueError(f"{len(stated)} dependencies, but {len(found)} with a least version")
    return found


if __name__ == "__main__":
    print("\n".join(constraints(_PROJECT.read_text("utf-8"))))
