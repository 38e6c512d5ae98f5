import subprocess
import sys


def test_drawing_costs_no_heavy_import():
    # numpy costs 80 ms, plotext 40: only what draws with them pays.
    code = (
        "import sys, lbtui.render.lanes, lbtui.render.heatmap, lbtui.render.chart, lbtui.render.axis;"
        "print(*sorted({'numpy', 'plotext', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
