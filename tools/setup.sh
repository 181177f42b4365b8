#!/usr/bin/env bash
# Creates the virtual environment and installs the locked dependencies and this package.
# usage: tools/setup.sh PYTHON VENV
set -euo pipefail

python=$1
venv=$2

is_recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# A plain `python3` may be the old one of the operating system while a newer one stands beside it.
if [ "$python" = python3 ] && ! is_recent python3; then
    for candidate in python3.13 python3.12 python3.11; do
        if is_recent "$candidate"; then
            python=$candidate
            break
        fi
    done
fi
if ! command -v "$python" >/dev/null 2>&1; then
    echo "error: no Python at '$python'; Interlock needs Python 3.11 or newer." >&2
    echo "remedy: install it, or name one: make run PYTHON=/path/to/python3.12" >&2
    exit 1
fi
if ! is_recent "$python"; then
    found=$("$python" --version 2>&1 | head -n 1 || true)
    echo "error: '$python' is ${found:-not a working Python}; Interlock needs Python 3.11 or newer." >&2
    echo "remedy: install it, or name one: make run PYTHON=/path/to/python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo "error: '$python' cannot make virtual environments (no venv or ensurepip module)." >&2
    echo "remedy: install the venv package of your system, for example: apt install python3-venv" >&2
    exit 1
fi

started=$SECONDS
count=$(grep -c '^[A-Za-z0-9]' requirements.lock)
echo "Set-up, once per clone and lock; a minute or two. Everything goes into $venv."

echo "[1/3] $("$python" --version 2>&1) in $venv"
if ! is_recent "$venv/bin/python"; then
    "$python" -m venv --clear "$venv"
fi

log=$venv/setup.log
echo "[2/3] up to $count locked packages, each checked by its hash"
"$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes \
    --progress-bar off --requirement requirements.lock 2>&1 | tee "$log" |
    # One short line per package instead of the three that pip writes.
    while IFS= read -r line; do
        case $line in
            Collecting\ * | Processing\ *)
                number=$((${number:-0} + 1))
                name=${line#* }
                name=${name%% *}
                if [ "${name%.whl}" != "$name" ]; then
                    IFS=- read -r package version _ <<<"${name##*/}"
                    name="$package==$version"
                fi
                printf '      %3d  %s\n' "$number" "$name" ;;
            Installing\ *) echo "      unpacking all of them, half a minute without news" ;;
        esac
    done || {
    echo "error: pip could not install requirements.lock; its last words (all: $log):" >&2
    tail -n 15 "$log" >&2
    echo "remedy: see that pip can reach its package index, then call make again." >&2
    exit 1
}

echo "[3/3] interlock itself, editable"
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-deps \
    --no-build-isolation --editable .
echo "Ready after $((SECONDS - started)) s."
