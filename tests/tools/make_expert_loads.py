"""Make `tests/data/expert_loads.npz`: skewed loads of experts, iteration by iteration, the same each time.

    python -m tests.tools.make_expert_loads

As a router of a model with 64 experts a layer, of which a token takes 6, spreads its tokens: in each layer
few experts are popular, the top one some 4 times the mean, the last hardly used; they stay so from one
iteration to the next, and what differs is what chance makes. Nothing is taken from any model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "data" / "expert_loads.npz"
ITERATIONS, LAYERS, EXPERTS, TAKEN = 127, 26, 64, 6
_SEED = 20261129
# Tokens of an iteration: mean and spread.
_TOKENS, _SPREAD = 65, 7
# Popularity is gamma distributed: its spread is 1 / sqrt(shape) of the mean.
_SHAPE = 1.2


def loads() -> np.ndarray:
    """Return how many tokens each expert was given, [iteration, layer, expert], uint16."""
    # numpy promises that this generator, unlike newer ones, gives the same numbers in every version.
    random = np.random.RandomState(_SEED)
    popularity = random.standard_gamma(_SHAPE, (LAYERS, EXPERTS)) + 0.01
    tokens = np.maximum(np.rint(random.normal(_TOKENS, _SPREAD, ITERATIONS)).astype(int), 1)
    found = np.zeros((ITERATIONS, LAYERS, EXPERTS), dtype=np.uint16)
    for iteration, count in enumerate(tokens):
        for layer in range(LAYERS):
            # Who comes first of clocks whose rates are the popularities is drawn without replacement.
            clocks = random.standard_exponential((count, EXPERTS)) / popularity[layer]
            taken = np.argpartition(clocks, TAKEN, axis=1)[:, :TAKEN]
            found[iteration, layer] = np.bincount(taken.ravel(), minlength=EXPERTS)
    return found


if __name__ == "__main__":
    np.savez_compressed(FILE, tokens=loads())
