"""SQL over the canonical frames: what may be asked, and the child of lbtui's own that answers it."""

from __future__ import annotations

from lbtui.sql.ask import Answered, Asked, SqlError, ask
from lbtui.sql.grammar import Query, Refused, checked

__all__ = ["Answered", "Asked", "Query", "Refused", "SqlError", "ask", "checked"]
