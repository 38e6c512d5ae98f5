"""What is installed without a network: the .run file, the installer of wheels, and what builds them.

The payload here is a small one, of shell scripts; `tests/tools/install_table.py` tries the real ones.
"""

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import traceback
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tools.terminal import PATIENCE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGING = Path(__file__).parents[1] / ".packaging"
pytestmark = pytest.mark.skipif(not PACKAGING.is_dir(), reason="the source distribution has no .packaging")

# Prints its arguments; obeys one of them.
LBTUI = """#!/bin/sh
printf '%s|' "$@"
case ${1-} in
    exit) exit "$2" ;;
    read) cat ;;
    sleep) exec sleep "$2" ;;
esac
"""
FIRST = "lbtui: unpacking 1 MB, once, into "


@pytest.fixture(autouse=True)
def builder(monkeypatch):
    """Let tests import the builder's modules."""
    monkeypatch.syspath_prepend(PACKAGING)


def made(path, architecture=None, python="#!/bin/sh\n", filling=b""):
    """Write a .run file with a small payload, and return its path."""
    import archive

    tree = path.parent / "payload of the test"
    (tree / "bin").mkdir(parents=True, exist_ok=True)
    for name, text in (("lbtui", LBTUI), ("python3", python)):
        (tree / "bin" / name).write_text(text)
        (tree / "bin" / name).chmod(0o755)
    (tree / "filling").write_bytes(filling)
    archive.run_file(path, archive.tar_gz(tree, "tree"), "1.2", architecture or platform.machine(), 100_000)
    shutil.rmtree(tree)
    return path


@pytest.fixture
def run_file(tmp_path):
    return made(tmp_path / "a file.run")


def environment(cache, **more):
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, **({"XDG_CACHE_HOME": str(cache)} if cache else {}), **more}


def start(file, *arguments, cache=None, stdin="", **more):
    """Run it as a person does, by its path."""
    return subprocess.run(
        [file, *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        env=environment(cache or file.parent / "cache", **more),
        timeout=PATIENCE,
        check=False,
    )


def refused(done, code, *words):
    """Assert that nothing was started, and that one sentence says why."""
    assert (done.returncode, done.stdout) == (code, "")
    sentence = done.stderr.removeprefix(
        next((line for line in done.stderr.splitlines(True) if FIRST in line), "")
    )
    assert sentence.startswith("lbtui: ")
    assert sentence.count("\n") == 1
    for word in words:
        assert str(word) in sentence


def test_every_argument_arrives_as_it_is(run_file):
    arguments = ["", "two words", "*", "$HOME", "--dir", "x", "ä"]
    assert start(run_file, *arguments).stdout == "".join(f"{each}|" for each in arguments)
    assert start(run_file).stdout == "|"  # printf's, of no argument


def test_input_and_exit_code_go_through(run_file):
    assert start(run_file, "read", stdin="words").stdout == "read|words"
    assert [start(run_file, "exit", str(code)).returncode for code in (0, 1, 3, 130)] == [0, 1, 3, 130]


def test_a_signal_hits_what_was_started(run_file):
    start(run_file)
    with subprocess.Popen(
        [run_file, "sleep", "600"], stdout=-1, env=environment(run_file.parent / "cache")
    ) as one:
        assert one.stdout.read(1) == b"s"
        while Path(f"/proc/{one.pid}/comm").read_text() != "sleep\n":
            time.sleep(0.01)
        one.terminate()
        assert one.wait(PATIENCE) == -signal.SIGTERM


def test_it_unpacks_once(run_file):
    first, second = start(run_file), start(run_file)
    (folder,) = (run_file.parent / "cache" / "lbtui").iterdir()
    digest = hashlib.sha256(run_file.read_bytes().split(b"\nexit\n", 1)[1]).hexdigest()
    assert folder.name == f"lbtui-1.2-linux-{platform.machine()}-{digest[:12]}"
    assert first.stderr == f"{FIRST}{folder}\n"
    assert second.stderr == ""


def test_without_a_cache_folder_it_is_below_home(run_file, tmp_path):
    done = subprocess.run(
        ["sh", run_file.name], cwd=tmp_path, env=environment(None, HOME=str(tmp_path / "me")), check=True
    )
    assert done.returncode == 0
    assert len(list((tmp_path / "me/.cache/lbtui").glob("lbtui-*/bin/lbtui"))) == 1


@pytest.mark.parametrize("form", ["--dir {}", "--dir={}"])
def test_dir_says_where(run_file, tmp_path, form):
    options = [word.format("my folder") for word in form.split()]
    done = subprocess.run(
        [run_file, *options, "--dir", "x"],
        cwd=tmp_path,
        env=environment(None),
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"--dir|x|"
    assert len(list((tmp_path / "my folder").glob("lbtui-1.2-*/bin/lbtui"))) == 1


def test_dir_without_a_folder_is_wrong_usage(run_file):
    refused(start(run_file, "--dir"), 2, "--dir wants a folder")


def test_without_any_home_it_asks_for_a_folder(run_file):
    done = subprocess.run([run_file], capture_output=True, text=True, env=environment(None), check=False)
    refused(done, 74, "HOME", "--dir DIR")


def test_starts_at_the_same_time_make_one_folder(run_file):
    command = [run_file, "x"]
    cache = run_file.parent / "cache"
    together = [subprocess.Popen(command, stdout=-1, stderr=-1, env=environment(cache)) for _ in range(8)]
    assert [one.communicate(timeout=PATIENCE)[0] for one in together] == [b"x|"] * 8
    (folder,) = (cache / "lbtui").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "filling"]


def test_a_cut_file_is_refused(tmp_path):
    file = made(tmp_path / "whole.run", filling=os.urandom(5000))
    content = file.read_bytes()
    script = content.index(b"\nexit\n") + len(b"\nexit\n")
    for length in (script, script + 1, script + 20, len(content) - 1):
        file.write_bytes(content[:length])
        refused(start(file), 65, "is cut", len(content) - script, "Copy it again")
    assert not (tmp_path / "cache").exists()


def test_a_file_cut_in_its_script_does_nothing(run_file):
    content = run_file.read_bytes()
    script = content.index(b'\nmain "$@"\n')
    for length in range(script // 20, script, script // 20):
        run_file.write_bytes(content[:length])
        assert start(run_file).stdout == ""
    assert not (run_file.parent / "cache").exists()


def test_a_damaged_file_is_refused(tmp_path):
    file = made(tmp_path / "whole.run", filling=os.urandom(5000))
    content = bytearray(file.read_bytes())
    for place in (len(content) - 1, len(content) - 3000):
        damaged = content.copy()
        damaged[place] ^= 1
        file.write_bytes(damaged)
        refused(start(file), 65, "damaged", "sha256")
    assert not (tmp_path / "cache").exists()


def test_another_machine_is_refused(tmp_path):
    other = {"x86_64": "aarch64"}.get(platform.machine(), "x86_64")
    refused(start(made(tmp_path / "other.run", other)), 69, f"for Linux on {other}", platform.machine())


def test_a_folder_that_cannot_be_made(run_file, tmp_path):
    (tmp_path / "file").touch()
    refused(start(run_file, cache=tmp_path / "file"), 74, "cannot write in", tmp_path / "file", "--dir DIR")


def test_a_full_disk(tmp_path):
    file = made(tmp_path / "big.run", filling=os.urandom(1_000_000))
    # Writing more than so many blocks to a file fails, as on a full disk.
    command = "trap '' XFSZ; ulimit -f 100; exec \"$@\""
    done = subprocess.run(
        ["bash", "-c", command, "sh", file],
        capture_output=True,
        text=True,
        env=environment(tmp_path / "cache"),
        check=False,
    )
    refused(done, 74, "cannot unpack 1 MB into", " MB are free: ", "filling", "--dir DIR")
    assert list((tmp_path / "cache/lbtui").iterdir()) == []


def test_what_does_not_start_here(tmp_path):
    file = made(tmp_path / "a.run", python="#!/bin/sh\necho no way >&2\nexit 1\n")
    refused(start(file), 69, "does not start: no way", "--dir DIR")
    assert list((tmp_path / "cache/lbtui").iterdir()) == []


def test_ctrl_c_while_it_unpacks_leaves_nothing(run_file, tmp_path):
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/gzip").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "slow/gzip").chmod(0o755)
    path = f"{tmp_path / 'slow'}:{os.environ['PATH']}"
    cache = tmp_path / "cache"
    # Python hands down to its children that Ctrl-C is ignored, if it is so here.
    with subprocess.Popen(
        [run_file], env=environment(cache, PATH=path), start_new_session=True, stdout=-1, stderr=-1
    ) as one:
        assert one.stderr.readline().decode().startswith(FIRST)
        time.sleep(0.1)
        os.killpg(one.pid, signal.SIGINT)
        assert one.wait(PATIENCE) == 130
    assert list((cache / "lbtui").iterdir()) == []


def test_missing_tools_are_named(run_file, tmp_path):
    (tmp_path / "few").mkdir()
    for name in ("uname", "tail", "wc"):
        (tmp_path / "few" / name).symlink_to(shutil.which(name))
    command = [shutil.which("sh"), run_file]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment(tmp_path, PATH=str(tmp_path / "few")),
        check=False,
    )
    refused(done, 69, "tar is needed")


# The installer of wheels.


@pytest.fixture(scope="session")
def pip_wheel(tmp_path_factory):
    """Return a wheel of the pip that is here; it runs from it, as the real one."""
    found = find_spec("pip")
    if found is None:
        pytest.skip("no pip here")
    folder = Path(found.origin).parent
    target = tmp_path_factory.mktemp("pip") / "pip-0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as wheel:
        for file in folder.rglob("*"):
            if file.is_file() and file.suffix not in (".pyc", ".exe"):
                wheel.write(file, file.relative_to(folder.parent))
    return target


@pytest.fixture
def wheelhouse(tmp_path, pip_wheel):
    """Return an unpacked archive of wheels, in a folder with a blank, whose lbtui prints its arguments."""
    import archive

    folder = tmp_path / "the wheels"
    (folder / "wheels").mkdir(parents=True)
    info = "lbtui-1.2.dist-info"
    with zipfile.ZipFile(folder / "wheels/lbtui-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("lbtui.py", "import sys\n\ndef main():\n    print(sys.argv[1:])\n    return 3\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: lbtui\nVersion: 1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\nlbtui = lbtui:main\n")
        wheel.writestr(f"{info}/RECORD", "")
    shutil.copy(pip_wheel, folder / "wheels")
    sums = [
        f"{hashlib.sha256(w.read_bytes()).hexdigest()}  wheels/{w.name}\n" for w in folder.glob("wheels/*")
    ]
    (folder / "SHA256SUMS").write_text("".join(sums))
    values = {"VERSION": "1.2", "PYTHON": "{}.{}".format(*sys.version_info), "ARCH": platform.machine()}
    text = archive.filled((PACKAGING / "install.sh").read_text("utf-8"), values)
    (folder / "install.sh").write_text(text, "utf-8")
    return folder


def install(wheelhouse, *arguments):
    return subprocess.run(
        ["sh", wheelhouse / "install.sh", *arguments],
        cwd=wheelhouse.parent,
        capture_output=True,
        text=True,
        # What a machine's own settings may say; no index may be asked.
        env={**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_TARGET": "elsewhere"},
        timeout=PATIENCE,
        check=False,
    )


def test_wheels_are_installed_by_their_own_pip(wheelhouse, tmp_path):
    done = install(wheelhouse, "an environment", sys.executable)
    assert (done.stderr, done.stdout) == ("", "lbtui is set up: an environment/bin/lbtui\n")
    ran = subprocess.run(
        [tmp_path / "an environment/bin/lbtui", "a b"],
        capture_output=True,
        text=True,
        env=environment(None),
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (3, "['a b']\n")
    assert not (tmp_path / "elsewhere").exists()
    # Where the folder is another user's, nothing could be written at the first start.
    (bytecode,) = tmp_path.glob("an environment/lib/python3.*/site-packages/__pycache__/lbtui.*.pyc")
    assert str(tmp_path / "an environment/lib").encode() in bytecode.read_bytes()


def test_bytecode_is_written_where_there_is_no_shared_memory(wheelhouse, tmp_path):
    script = wheelhouse / "install.sh"
    text = script.read_text()
    assert " -m compileall " in text
    # As where /dev/shm is missing: more than one process fails before any.
    script.write_text(
        text.replace('-j "$processes"', '-j "$processes" $([ "$processes" = 1 ] || echo --no-such)')
    )
    done = install(wheelhouse, "an environment", sys.executable)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.glob("an environment/lib/python3.*/site-packages/__pycache__/lbtui.*.pyc"))) == 1


def declined(done, *words):
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("install.sh: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_the_installer_says_what_it_cannot(wheelhouse, tmp_path):
    declined(install(wheelhouse), "name the folder")
    declined(install(wheelhouse, ".", sys.executable), "is not empty")
    declined(install(wheelhouse, "new", "no-such-python"), "no-such-python is not Python 3.")
    script = wheelhouse / "install.sh"
    whole = script.read_text()
    script.write_text(whole.replace(platform.machine(), "pdp11"))
    declined(install(wheelhouse, "new", sys.executable), "for Linux on pdp11")
    script.write_text(whole.replace("{}.{}".format(*sys.version_info), "2.5"))
    declined(install(wheelhouse, "new"), "Python 2.5, which is not found", ".run file")
    script.write_text(whole)
    with (wheelhouse / "wheels/lbtui-1.2-py3-none-any.whl").open("ab") as file:
        file.write(b"x")
    declined(install(wheelhouse, "new", sys.executable), "damaged", "lbtui-1.2-py3-none-any.whl")
    assert not (tmp_path / "new").exists()


# The builder.


def test_an_archive_depends_on_contents_only(tmp_path):
    import archive

    for name, when in (("one", 10**9), ("two", 2 * 10**9)):
        (tmp_path / name / "b").mkdir(parents=True)
        for file in sorted(("a", "b/c"), reverse=when > 10**9):
            path = tmp_path / name / file
            path.write_text(file)
            path.chmod(0o600)
            os.utime(path, (when, when))
    assert archive.tar_gz(tmp_path / "one", "tree") == archive.tar_gz(tmp_path / "two", "tree")
    (tmp_path / "two/a").chmod(0o700)
    assert archive.tar_gz(tmp_path / "one", "tree") != archive.tar_gz(tmp_path / "two", "tree")


def test_what_is_dropped(tmp_path):
    import tree

    for name in ("a/tests/test_x.py", "a/b.py", "a/c.pyi", "only/tests/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    tree.drop(tmp_path, ["*/tests/*", "*.pyi"])
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["a", "a/b.py"]


def test_bytecode_runs_without_its_source_and_names_it(tmp_path, monkeypatch):
    import tree

    (tmp_path / "some_package").mkdir()
    (tmp_path / "some_package/module.py").write_text("def fails():\n    raise KeyError\n")
    (tmp_path / "some_package/template.py").write_text("{% not Python %}\n")
    tree.to_bytecode(tmp_path)
    assert sorted(path.name for path in (tmp_path / "some_package").iterdir()) == [
        "module.pyc",
        "template.py",
    ]
    monkeypatch.syspath_prepend(tmp_path)
    from some_package.module import fails

    with pytest.raises(KeyError) as raised:
        fails()
    assert traceback.extract_tb(raised.tb)[-1].filename == "some_package/module.py"


def test_libraries_that_a_program_needs_are_those_its_loader_finds(tmp_path):
    import elf

    program = Path(shutil.which("true")).resolve()
    content = program.read_bytes()
    if not elf.is_elf(content) or not elf.needed(content):
        pytest.skip("no program here is linked to libraries")
    assert elf.machine(content) == elf.MACHINES[platform.machine()]
    loaded = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in loaded.splitlines() if "=>" in line} >= set(elf.needed(content))
    # It runs without what the loader does not read.
    short = tmp_path / "true"
    short.write_bytes(elf.loaded_part(content + bytes(5000)))
    short.chmod(0o755)
    assert short.stat().st_size <= len(content)
    assert subprocess.run([short], check=False).returncode == 0
    assert elf.needed(short.read_bytes()) == elf.needed(content)


def test_an_elf_of_32_bits_and_text_are_none():
    import elf

    assert [elf.is_elf(each) for each in (b"", b"#!/bin/sh", b"\x7fELF\x01\x01", b"\x7fELF\x02\x01")] == [
        False,
        False,
        False,
        True,
    ]


def pins(python):
    """Return the pinned version of each wheel, and how many sha256 it has."""
    text = (PACKAGING / "pins" / f"wheels-{python}.txt").read_text().replace("\\\n", "")
    rows = [line.split() for line in text.splitlines() if line[0] != "#"]
    return {canonicalize_name(row[0].split("==")[0]): (row[0].split("==")[1], len(row) - 1) for row in rows}


def test_every_package_of_debian_is_pinned_for_each_architecture():
    import inputs

    of = {
        name: {pin.name for pin in inputs.debian_pins() if pin.architecture == name} for name in inputs.DEBIAN
    }
    assert of["x86_64"] == of["aarch64"] != set()
    assert all(len(pin.sha256) == 64 for pin in inputs.debian_pins())


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_pinned_wheels_are_what_lbtui_requires(python):
    found = pins(python)
    project = (PACKAGING.parent / "pyproject.toml").read_text("utf-8")
    for line in tomllib.loads(project)["project"]["dependencies"]:
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"python_version": python}):
            assert wanted.specifier.contains(found[canonicalize_name(wanted.name)][0]), line
    # One file for each architecture, or one for all.
    assert found["numpy"][1] == found["polars-runtime-32"][1] == 2
    assert {count for _, count in found.values()} == {1, 2}


def test_the_lowest_libraries_are_the_least_that_lbtui_admits():
    root = PACKAGING.parent
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    admitted = {
        wanted.name: (
            min(bound.version for bound in wanted.specifier if bound.operator == ">="),
            wanted.marker,
        )
        for wanted in map(Requirement, project["project"]["dependencies"])
    }
    printed = subprocess.run(
        [sys.executable, root / ".ci/lowest.py"], capture_output=True, text=True, check=True
    ).stdout
    for pin in map(Requirement, printed.splitlines()):
        assert admitted.pop(pin.name) == (str(pin.specifier).removeprefix("=="), pin.marker)
    assert not admitted
