"""Machines as servers are: the root folder of a bare system, entered without a network, also of aarch64.

Needs root, `unshare` and debootstrap; for aarch64 also qemu-user-static and a Linux with binfmt_misc in user
namespaces (6.7) or where qemu is registered already. Nothing of this machine's own tables is changed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

QEMU = Path("/usr/bin/qemu-aarch64-static")
_DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
# Files of aarch64 by their ELF header, as qemu's own packages register them. F: qemu is opened now, outside.
_BINFMT = (
    r":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:" + f"{QEMU}:F"
)
_ENTER = """
set -e
root=$1 media=$2
shift 2
if [ -n "$BINFMT" ]; then
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || printf %s "$BINFMT" >/proc/sys/fs/binfmt_misc/register
fi
mount --bind "$media" "$root/media"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
exec env -u BINFMT chroot "$root" "$@"
"""


class Unavailable(Exception):
    """Says in a sentence what such a machine needs and is not here."""


class Host(NamedTuple):
    """A bare system: a suite of Debian, or "busybox", which has no C library."""

    suite: str
    architecture: str = "x86_64"
    # Bytes; None is the machine's own.
    page: int | None = None
    # Packages that the suite's own machine would have.
    packages: tuple[str, ...] = ()

    @property
    def foreign(self) -> bool:
        """Tell whether it is emulated here."""
        return self.architecture != platform.machine()


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise Unavailable(f"{command[0]} failed: {said[-1] if said else done.returncode}")


def _wanted(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not installed")


def made(host: Host, folder: Path) -> Path:
    """Return the root of a host, made below `folder` where it is not there yet; raise `Unavailable`."""
    whole = folder / "-".join([host.suite, host.architecture, *host.packages])
    if os.geteuid():
        raise Unavailable("only root can make and enter a root folder")
    _wanted("unshare", "chroot", *(["busybox"] if host.suite == "busybox" else ["debootstrap"]))
    if host.foreign and not (host.architecture == "aarch64" and QEMU.exists()):
        raise Unavailable(f"nothing here emulates {host.architecture} (Debian: qemu-user-static)")
    if whole.is_dir():
        return whole
    # Made beside, then renamed: what was stopped half-way is not taken for one.
    root = whole.with_name(f"{whole.name}.part")
    shutil.rmtree(root, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    if host.suite == "busybox":
        _busybox(root)
    else:
        _debian(host, root)
    for name in ("dev", "proc", "tmp", "media"):
        if (root / name).is_symlink():  # of a foreign suite /proc leads to /proc
            (root / name).unlink()
        (root / name).mkdir(exist_ok=True)
    return root.rename(whole)


def _busybox(root: Path) -> None:
    (root / "bin").mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), root / "bin/busybox")
    # One that is linked to libraries does not start there.
    _run("chroot", root, "/bin/busybox", "true")
    listed = subprocess.run([root / "bin/busybox", "--list"], capture_output=True, text=True, check=True)
    for name in set(listed.stdout.split()) - {"busybox"}:
        (root / "bin" / name).symlink_to("busybox")


def _debian(host: Host, root: Path) -> None:
    foreign = ["--foreign"] if host.foreign else []
    packages = [f"--include={','.join(host.packages)}"] if host.packages else []
    arch = _DEBIAN[host.architecture]
    # What it mounts and, where it fails, leaves mounted is not seen outside.
    alone = ["unshare", "--mount", "--fork"]
    _run(*alone, "debootstrap", "--variant=minbase", "--arch", arch, *foreign, *packages, host.suite, root)
    if host.foreign:
        # Its packages start by qemu when unpacked, and need not be set up. Those asked for are only fetched.
        for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
            _run("dpkg-deb", "--extract", package, root)


def enter(
    host: Host, root: Path, media: Path, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> list[str]:
    """Return the command that runs one inside, without a network; `media` is seen as /media.

    `environment` is all that the command gets beside a path and a home; its first word is a path.
    """
    words = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "TERM": "xterm-256color"}
    words |= {"LANG": "C.UTF-8", **(environment or {})}
    if host.foreign:
        words |= {"BINFMT": _BINFMT, **({"QEMU_PAGESIZE": str(host.page)} if host.page else {})}
    # --kill-child: what is stopped leaves nothing that runs on.
    namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if host.foreign:
        namespaces += ["--user", "--map-root-user"]
    return [
        *("env", "-i", *(f"{name}={value}" for name, value in words.items())),
        *("unshare", *namespaces, "sh", "-c", _ENTER, "sh", str(root), str(media), *command),
    ]
