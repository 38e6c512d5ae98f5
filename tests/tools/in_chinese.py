"""Run another tool in Chinese: `python -m tests.tools.in_chinese redraw_goldens [NAME …]`.

Which language is spoken is decided once in a process, before what speaks is imported.
"""

from __future__ import annotations

import runpy
import sys

from lbtui.text import speak
from tests.tools.catalogue import compile_catalogue


def main() -> None:
    """Speak Chinese, and run the tool that the first argument names with the others."""
    compile_catalogue()
    speak("zh_CN")
    tool = f"tests.tools.{sys.argv[1]}"
    sys.argv = [tool, *sys.argv[2:]]
    runpy.run_module(tool, run_name="__main__")


if __name__ == "__main__":
    main()
