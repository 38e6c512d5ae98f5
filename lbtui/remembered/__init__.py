"""What is remembered of a profile from one time to the next: where the user was, filters, marks, notes."""

from lbtui.remembered.folder import Memory as Memory
from lbtui.remembered.folder import Recalled as Recalled
from lbtui.remembered.model import MOST_NOTE as MOST_NOTE
from lbtui.remembered.model import FindingNote as FindingNote
from lbtui.remembered.model import Remembered as Remembered
