#!/bin/sh
# lbtui @VERSION@ for Linux on @ARCH@, with its own Python and C library. Needs sh, tar, gzip, sha256sum and the
# usual coreutils (or busybox). Unpacks itself once, below $XDG_CACHE_HOME (~/.cache) or, with `--dir DIR` as
# its first argument, below DIR; then starts lbtui with all other arguments. What follows the last line is a
# .tar.gz. All is in functions: a file cut in here does nothing.

name=lbtui-@VERSION@-linux-@ARCH@-@SHORT@

stop() { # CODE (of sysexits.h) SENTENCE
    code=$1
    shift
    printf 'lbtui: %s\n' "$*" >&2
    exit "$code"
}

elsewhere() {
    printf 'Another folder: sh %s --dir DIR' "$0"
}

payload() {
    tail -n +@LINE@ "$0"
}

whole() {
    [ "$(payload | wc -c)" -eq @BYTES@ ] || stop 65 "$0 is cut or has grown: @BYTES@ bytes should follow its script. Copy it again."
    sum=$(payload | sha256sum)
    [ "${sum%% *}" = @SHA256@ ] || stop 65 "$0 is damaged: its sha256 is not the one it was built with. Copy it again."
}

unpack() { # BASE: makes BASE/$name, or finds that another start has made it
    for tool in tar gzip sha256sum mktemp; do
        command -v "$tool" >/dev/null || stop 69 "$tool is needed to unpack, and is not here."
    done
    whole
    beside=
    mkdir -p "$1" 2>/dev/null && beside=$(mktemp -d "$1/.unpacking-XXXXXX" 2>/dev/null) ||
        stop 74 "cannot write in $1, where @MEGABYTES@ MB are to be unpacked. $(elsewhere)"
    trap 'rm -rf "$beside"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf 'lbtui: unpacking @MEGABYTES@ MB, once, into %s\n' "$1/$name" >&2
    if ! said=$({ payload | gzip -dc | tar -xof - -C "$beside"; } 2>&1); then
        rm -rf "$beside"
        free=$(df -Pk "$1" 2>/dev/null | { read -r _ && read -r _ _ _ kilobytes _ && echo $((kilobytes * 1024 / 1000000)); })
        stop 74 "cannot unpack @MEGABYTES@ MB into $1${free:+, where $free MB are free}: $(printf '%s\n' "$said" | head -n 1). $(elsewhere)"
    fi
    said=$("$beside/tree/bin/python3" -I -c '' 2>&1) ||
        stop 69 "what was unpacked into $1 does not start: $(printf '%s\n' "$said" | head -n 1). A folder where programs may run is needed. $(elsewhere)"
    # Where another start was first, this lands inside its folder, or nowhere, and is dropped.
    mv "$beside/tree" "$1/$name" 2>/dev/null
    rm -rf "$1/$name/tree" "$beside"
    trap - EXIT HUP INT TERM
    [ -x "$1/$name/bin/lbtui" ] || stop 74 "cannot move what was unpacked to $1/$name. $(elsewhere)"
}

main() {
    [ "$(uname -s)" = Linux ] && [ "$(uname -m)" = @ARCH@ ] ||
        stop 69 "this file is for Linux on @ARCH@, and here is $(uname -s) on $(uname -m). There are files for x86_64 and aarch64."
    case ${1-} in
        --dir)
            [ -n "${2-}" ] || stop 2 "--dir wants a folder: sh $0 --dir DIR"
            base=$2
            shift 2
            ;;
        --dir=?*)
            base=${1#--dir=}
            shift
            ;;
        *)
            base=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
            [ -n "$base" ] || stop 74 "neither HOME nor XDG_CACHE_HOME says where to unpack. $(elsewhere)"
            base=$base/lbtui
            ;;
    esac
    case $base in
        /*) ;;
        *) base=$PWD/$base ;;
    esac
    [ -x "$base/$name/bin/lbtui" ] || unpack "$base"
    exec "$base/$name/bin/lbtui" "$@"
}

main "$@"
exit
