"""Compare what raw profiles record with what lbtui shows of the parser's outputs: one table.

    python -m tests.bench.engines RAW OUTPUT [OUTPUT …]        one profile and outputs of it
    python -m tests.bench.engines --all RAWS OUTPUTS [NAME …]  RAWS/<name> and all folders of OUTPUTS/<name>

Raw profiles come from the simulators that `tests/data/README.md` names, outputs from the real parser,
today's or an older one. The truth is `engine_truth`'s, what is shown `engine_cells`'. A cell agrees if it
lies within the precision of its row, or is `unknown` where nothing recorded the value or the format does
not hold it. A TTFT that a table holds wrongly may be left out: `(28 of 30)` agrees if the percentiles are
the true ones of these 28 and each of them is right. Of vLLM the tables may be 1 ms off: upstream times
some first tokens at the end of their round, before they are detokenized. Cells that disagree end in `!`;
the exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lbtui.profile import Unreadable
from tests.bench.engine_cells import PRECISION, Format, Row, Shown, compared, format_of, shown_of
from tests.bench.engine_truth import read_truth


def _rows(name: str, raw: Path, outputs: Sequence[Path], lacks: Sequence[str]) -> list[Row]:
    found: list[tuple[Format, Shown | None]] = []
    for output in outputs:
        try:
            found.append((format_of(output, lacks), shown_of(output)))
        except Unreadable as error:
            print(f"{name} {output.name}: {error}", file=sys.stderr)
            found.append((format_of(output, lacks), None))
    return list(compared(name, read_truth(raw), found))


def main() -> int:
    """Print the table; return 1 if a cell disagrees."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--all", action="store_true", help="RAW and OUTPUT hold a folder for each profile")
    parser.add_argument("--wrong", action="store_true", help="print only rows with a cell that disagrees")
    parser.add_argument("--lacks", action="append", default=[], help="a quantity an older parser left out")
    parser.add_argument("raw", type=Path)
    parser.add_argument("outputs", type=Path, nargs="+")
    asked = parser.parse_args()
    tables: list[tuple[list[str], list[Row]]] = []
    if asked.all:
        below, *names = asked.outputs
        for name in [str(name) for name in names] or sorted(path.name for path in below.iterdir()):
            outputs = sorted(path for path in (below / name).iterdir() if path.is_dir())
            tables.append(
                ([path.name for path in outputs], _rows(name, asked.raw / name, outputs, asked.lacks))
            )
    else:
        labels = [path.name for path in asked.outputs]
        tables.append((labels, _rows(asked.raw.name, asked.raw, asked.outputs, asked.lacks)))
    for labels, rows in tables:
        print(f"| profile | domain | quantity | within | truth | {' | '.join(labels)} |")
        print("|" + " --- |" * (5 + len(labels)))
        for row in rows:
            if row.wrong or not asked.wrong:
                most = PRECISION[row.quantity][1]
                within = f"{most:g}" if most else "exact"
                line = (row.profile, row.subject, row.quantity, within, row.truth, *row.cells)
                print(f"| {' | '.join(line)} |")
        print()
    cells = sum(len(row.cells) for _labels, rows in tables for row in rows)
    wrong = sum(row.wrong for _labels, rows in tables for row in rows)
    print(f"{cells} cells, {wrong} disagree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
