#!/bin/sh
# sh install.sh DIR [PYTHON]: sets lbtui @VERSION@ up in a new virtual environment DIR, from the wheels beside
# this script, without a network, with the pip among them. For Python @PYTHON@ on Linux, @ARCH@.

stop() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

is_right() {
    [ "$("$1" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = @PYTHON@ ]
}

main() {
    CDPATH=
    here=$(cd "$(dirname "$0")" && pwd) || stop "cannot enter the folder of $0."
    [ -n "${1-}" ] || stop "name the folder to set lbtui up in: sh $0 DIR [PYTHON]"
    [ "$(uname -s)" = Linux ] && [ "$(uname -m)" = @ARCH@ ] ||
        stop "these wheels are for Linux on @ARCH@, and here is $(uname -s) on $(uname -m)."
    [ -z "$(ls -A "$1" 2>/dev/null)" ] || stop "$1 is there and is not empty. Name a new folder."
    python=
    for each in ${2:+"$2"} python@PYTHON@ python3 python; do
        if is_right "$each"; then
            python=$each
            break
        fi
        [ -z "${2-}" ] || stop "$2 is not Python @PYTHON@."
    done
    [ -n "$python" ] ||
        stop "these wheels are for Python @PYTHON@, which is not found. Name it (sh $0 DIR PYTHON), or take the .run file, which brings its own."
    said=$(cd "$here" && sha256sum -c SHA256SUMS 2>&1) ||
        stop "the wheels are damaged: $(printf '%s\n' "$said" | grep -v ': OK$' | head -n 1). Unpack them again."
    "$python" -I -m venv --without-pip "$1" || stop "$python cannot make a virtual environment in $1."
    # Neither the machine's pip nor its settings; an index is not asked.
    for pip in "$here"/wheels/pip-*.whl; do :; done
    PIP_CONFIG_FILE=/dev/null "$1/bin/python" -I "$pip/pip" --isolated install --quiet \
        --disable-pip-version-check --no-cache-dir --no-index --no-compile --find-links "$here/wheels" \
        lbtui==@VERSION@ || stop "pip could not set lbtui up in $1; its words are above."
    # Bytecode is half of the work, which pip does in one process. Several need shared memory, which may lack.
    libraries=$(cd "$1" && pwd)/lib
    for processes in 8 1; do
        "$1/bin/python" -I -m compileall -qq -j "$processes" "$libraries" && break
    done >/dev/null 2>&1
    printf 'lbtui is set up: %s/bin/lbtui\n' "$1"
}

main "$@"
