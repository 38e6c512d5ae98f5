"""One text that the user asks to be saved."""

from __future__ import annotations

from pathlib import Path

from lbtui.own_folder import in_profile
from lbtui.text import _, visible


def save_new(name: str, content: str, profile: Path) -> str | None:
    """Write a new file where the user says; return why not in a sentence, None when it is written.

    An existing file is not replaced, and nothing is written into the profile's folder.
    """
    shown = visible(name)
    if not name.strip():
        return _("A file name is needed.")
    try:
        path = Path(name.strip()).expanduser()
        if in_profile(path, profile):
            return _("{file} lies in the profile's folder, which stays as it is: name another.").format(
                file=shown
            )
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        return _("{file} exists already: name another.").format(file=shown)
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return _("{file} cannot be written ({why}).").format(file=shown, why=visible(why))
    return None
