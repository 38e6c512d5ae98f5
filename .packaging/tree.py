"""The folder that a .run file unpacks: Debian's Python, wheels and lbtui, without what nobody uses.

bin/lbtui, bin/python3      start what is below
bin/python3.11              Debian's
lib/                        the loader, the C library and all else that is loaded
lib/python3.11/             Python's modules, as bytecode
lib/python3/dist-packages/  wheels and lbtui, as bytecode (Debian's Python looks here)
licenses/                   of Debian's packages; those of wheels stand beside them, in their .dist-info
"""

from __future__ import annotations

import importlib.util
import py_compile
import shutil
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import elf
from inputs import HERE, OWN_PYTHON, Trouble, debian_packages, debian_pins, pip, platform_options, run

MODULES = f"lib/python{OWN_PYTHON}"
PACKAGES = "lib/python3/dist-packages"
LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}

# Patterns of paths below the folder; `*` also means a `/`. Nothing of it is imported: the tests pass without.
DROPPED = (
    # Python: what needs OpenSSL, readline or ncurses, and what makes or tests programs.
    *(
        f"{MODULES}/lib-dynload/{name}.*"
        for name in ("_ssl", "_hashlib", "_curses*", "readline", "nis", "_dbm")
    ),
    *(
        f"{MODULES}/lib-dynload/{name}.*"
        for name in ("_crypt", "_uuid", "ossaudiodev", "audioop", "*test*", "xx*")
    ),
    *(f"{MODULES}/lib-dynload/{name}.*" for name in ("_xx*", "_lsprof")),
    # Of the others' characters: GB18030 and its like (`_codecs_cn`) are what reports are written in, too.
    *(f"{MODULES}/lib-dynload/_codecs_{name}.*" for name in ("hk", "iso2022", "jp", "kr", "tw")),
    *(f"{MODULES}/{name}/*" for name in ("test", "distutils", "pydoc_data", "venv", "wsgiref", "xmlrpc")),
    *(f"{MODULES}/{name}/*" for name in ("curses", "dbm", "lib2to3", "ensurepip", "config-*", "__phello__")),
    *(f"{MODULES}/{name}.py" for name in ("turtle", "pydoc", "doctest", "this", "antigravity", "webbrowser")),
    f"{MODULES}/*.txt",
    f"{MODULES}/sitecustomize.py",
    # Wheels: their commands, stubs, headers and tests.
    *(
        f"{PACKAGES}/{name}"
        for name in ("bin/*", "*.pyi", "*/py.typed", "*.h", "*.pxd", "*.a", "*.lib", "*/tests/*")
    ),
    # What ADBC's bindings are made of, and what takes pyarrow.
    *(
        f"{PACKAGES}/adbc_driver_manager/{name}"
        for name in ("*.pyx", "*.cc", "*.hpp", "toml++/*", "_reader.*", "_dbapi_backend.py")
    ),
    *(f"{PACKAGES}/adbc_driver_{name}/dbapi.py" for name in ("manager", "sqlite")),
    *(
        f"{PACKAGES}/*.dist-info/{name}"
        for name in ("RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", "sboms/*")
    ),
    *(
        f"{PACKAGES}/numpy/{name}/*"
        for name in ("f2py", "distutils", "_core/include", "_core/lib", "_pyinstaller")
    ),
    *(f"{PACKAGES}/numpy/_core/{name}.*" for name in ("_simd", "*_tests")),
    # Pillow decodes PNG and nothing else here.
    *(
        f"{PACKAGES}/PIL/{name}.*.so"
        for name in ("_avif", "_webp", "_imagingft", "_imagingcms", "_imagingtk")
    ),
    *(f"{PACKAGES}/PIL/{name}.*.so" for name in ("_imagingmath", "_imagingmorph")),
)


def assemble(tree: Path, architecture: str, wheels: Iterable[Path], work: Path) -> None:
    """Make the folder `tree`, which is not there yet, for an architecture.

    Raises `Trouble` where a library that something loads is not inside, or is of another architecture.
    """
    if importlib.util.MAGIC_NUMBER != _MAGIC:
        raise Trouble(f"Python {OWN_PYTHON} must run this, as what is built holds its bytecode.")
    system = work / "system" / architecture
    shutil.rmtree(system, ignore_errors=True)
    system.mkdir(parents=True)
    for package in debian_packages(architecture, work):
        run(["dpkg-deb", "-x", package, system])
    _python(tree, system)
    pip(
        *("install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", tree / PACKAGES),
        *platform_options(architecture, OWN_PYTHON),
        *wheels,
    )
    drop(tree, DROPPED)
    _libraries(tree, system, LOADERS[architecture])
    for file in _files(tree):
        content = file.read_bytes()
        if elf.is_elf(content):
            if elf.machine(content) != elf.MACHINES[architecture]:
                raise Trouble(f"{file.relative_to(tree)} is for another architecture.")
            file.write_bytes(elf.loaded_part(content))
    to_bytecode(tree / MODULES)
    to_bytecode(tree / PACKAGES)
    _licenses(tree, system, architecture)
    for name in ("python3", "lbtui"):
        script = (HERE / name).read_text("utf-8").replace("@LOADER@", LOADERS[architecture])
        (tree / "bin" / name).write_text(script, "utf-8")
        (tree / "bin" / name).chmod(0o755)


# That of Python 3.11, all releases.
_MAGIC = (3495).to_bytes(2, "little") + b"\r\n"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _python(tree: Path, system: Path) -> None:
    (tree / "bin").mkdir(parents=True)
    shutil.copy2(system / f"usr/bin/python{OWN_PYTHON}", tree / "bin")
    # Links lead out of it, to /etc and /usr/share.
    shutil.copytree(system / f"usr/{MODULES}", tree / MODULES, ignore=_links)


def _links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_symlink()]


def drop(tree: Path, patterns: Iterable[str]) -> None:
    """Remove the files below `tree` that a pattern fits, and folders that are empty then."""
    each = tuple(patterns)
    for file in _files(tree):
        if any(fnmatch(file.relative_to(tree).as_posix(), pattern) for pattern in each):
            file.unlink()
    for folder in sorted((path for path in tree.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _libraries(tree: Path, system: Path, loader: str) -> None:
    """Copy the libraries that are wanted, and those that these want; drop the other ones of wheels."""
    theirs = {file.name: file for file in _files(tree / PACKAGES) if ".libs/" in file.as_posix()}
    found = {path.name: path for folder in ("lib", "usr/lib") for path in (system / folder).glob("*/*.so*")}
    found |= {path.name: path for path in (system / "lib").glob("ld-linux*")}
    wanted = [file for file in _files(tree) if file.name not in theirs]
    used = {loader}
    shutil.copyfile(found[loader].resolve(), tree / "lib" / loader)
    while wanted:
        content = wanted.pop().read_bytes()
        for name in elf.needed(content) if elf.is_elf(content) else ():
            if name in used:
                continue
            used.add(name)
            if name not in theirs and name not in found:
                raise Trouble(f"{name} is loaded, and no package among the pins has it.")
            if name not in theirs:
                shutil.copyfile(found[name].resolve(), tree / "lib" / name)
            wanted.append(theirs.get(name, tree / "lib" / name))
    for name, file in theirs.items():
        if name not in used:
            file.unlink()
    (tree / "lib" / loader).chmod(0o755)


def to_bytecode(folder: Path) -> None:
    """Replace each module by its bytecode, compared with no source: half the size, and never written.

    What tracebacks name is the path below `folder`.
    """
    for source in sorted(folder.rglob("*.py")):
        name = source.relative_to(folder).as_posix()
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
        try:
            py_compile.compile(str(source), f"{source}c", name, doraise=True, invalidation_mode=unchecked)
        except py_compile.PyCompileError:
            continue  # a template, or for another Python: nobody imports it
        source.unlink()


def _licenses(tree: Path, system: Path, architecture: str) -> None:
    folder = tree / "licenses"
    shutil.copytree(system / "usr/share/common-licenses", folder / "common-licenses", symlinks=True)
    rows = []
    for pin in debian_pins():
        text = system / "usr/share/doc" / pin.name / "copyright"
        if pin.architecture == architecture:
            shutil.copyfile(text, folder / f"{pin.name}.txt")
            rows.append(f"{pin.name} {pin.version}")
    for info in (tree / PACKAGES).glob("*.dist-info"):
        if not any("licen" in path.name.lower() for path in info.rglob("*")):
            raise Trouble(f"{info.name} brings no text of its licence.")
    shutil.copyfile(HERE.parent / "LICENSE", folder / "lbtui.txt")
    words = (
        (HERE / "licenses.md").read_text("utf-8").replace("@ROWS@", "\n".join(f"    {row}" for row in rows))
    )
    (folder / "README.md").write_text(words, "utf-8")
