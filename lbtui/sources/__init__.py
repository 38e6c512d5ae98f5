"""One module per thing on disk; each yields canonical frames and says what it could not read."""

from lbtui.sources.discover import SeveralOutputs
from lbtui.sources.identity import identity_of
from lbtui.sources.open import open_one_of_many, open_profile

__all__ = ["SeveralOutputs", "identity_of", "open_one_of_many", "open_profile"]
