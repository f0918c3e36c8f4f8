#!/bin/sh
# Installs what the Makefile's targets need, into this folder alone.
#   devnet/prepare.sh python STAMP   creates .venv and installs requirements-dev.txt into it
#   devnet/prepare.sh node STAMP     installs the two development packages of package-lock.json
#   devnet/prepare.sh which-python   prints the Python to use
# STAMP is the file that says "done"; the Makefile names it after the hash of the lists, so a changed list installs again.
set -eu

UV_VERSION=0.13.9

fail() {
    printf 'alatau-pay: %s\n' "$1" >&2
    exit 1
}

# 3.14 is left out: coincurve 21.0.0 has no wheel for it yet.
find_python() {
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail 'Python 3.11, 3.12 or 3.13 is missing: apt-get install python3 python3-venv (Debian 12), or https://www.python.org/downloads/'
}

prepare_python() {
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "the venv module of $python is missing: apt-get install python3-venv (Debian, Ubuntu)"
    started=$(date +%s)
    rm -rf .venv
    printf 'Creating .venv with %s\n' "$("$python" -V)"
    "$python" -m venv .venv
    printf 'Installing %s pinned packages\n' "$(cat requirements.txt requirements-dev.txt | grep -c '==')"
    install_with_uv || install_with_pip || fail 'the packages could not be installed: see the lines above'
    touch "$1"
    printf 'Installed in %s s\n' "$(($(date +%s) - started))"
}

# uv is three times as fast; where it cannot reach an index that only pip is configured for, pip does the same.
install_with_uv() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" 2>/dev/null &&
        .venv/bin/uv pip install --quiet --no-deps --compile-bytecode --python .venv/bin/python -r requirements-dev.txt
}

install_with_pip() {
    printf 'uv could not; installing with pip\n'
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.txt
}

prepare_node() {
    command -v npm >/dev/null 2>&1 ||
        fail 'npm is missing: apt-get install npm (Debian, Ubuntu), or https://nodejs.org/en/download'
    printf 'Installing the development EVM node\n'
    npm ci --silent --ignore-scripts --no-audit --no-fund || fail 'npm ci failed: see the lines above'
    touch "$1"
}

cd "$(dirname "$0")/.."
case "${1:-}" in
python) prepare_python "$2" ;;
node) prepare_node "$2" ;;
which-python) find_python ;;
*) fail 'usage: devnet/prepare.sh python|node STAMP, or which-python' ;;
esac
