"""Compile the catalogues while lbtui is built, also by `pip install --editable`."""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Catalogues(BuildHookInterface):
    """Write each `lbtui.mo` beside its `lbtui.po`, and have it packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; what git ignores is packed where it is named as an artifact."""
        root = Path(self.root)
        for source in root.glob("lbtui/locale/*/LC_MESSAGES/*.po"):
            with source.open("rb") as file:
                catalogue = read_po(file)
            compiled = source.with_suffix(".mo")
            with compiled.open("wb") as file:
                write_mo(file, catalogue)
            build_data["artifacts"].append(f"/{compiled.relative_to(root)}")
