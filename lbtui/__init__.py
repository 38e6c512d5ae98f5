"""lbtui: where an LLM serving cluster's load is unbalanced, shown in a terminal."""

import os

__version__ = "0.1.0"

# No matrix here is large enough for NumPy's threads, which spin for a tenth of a second as they start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Of a size that was once given back glibc's malloc keeps what is given back from then on, where the system
# would clear new pages each time: half of what it costs to read the lines of a large file.
bytes(31 << 20)
