"""The folder of a profile, which stays byte for byte as it is."""

from __future__ import annotations

from pathlib import Path


def in_profile(path: Path, profile: Path) -> bool:
    """Tell whether a path, there yet or not, lies in the folder of a profile or is it.

    Folders are compared as the system does, links and mounts followed. Raises `OSError` where they cannot be.
    """
    folder = profile if profile.is_dir() else profile.parent
    own = folder.resolve()
    resolved = path.resolve()
    return any(
        above == own or (above.exists() and above.samefile(own)) for above in (resolved, *resolved.parents)
    )
