#!/usr/bin/env bash
# The one test command: formatting, lints, every test on SQLite and PostgreSQL, the browser, the Python clients, Prometheus, a fuzzer.
#
# It brings what it needs: Debian packages when they are missing (as root or with sudo; otherwise it says which), a
# PostgreSQL cluster of its own on a free port, a Python environment under target/. It leaves nothing running.
# For one crate while working: cargo test -p tincture-domain
# For more of the fuzzer: TINCTURE_FUZZ_ROUNDS=20 TINCTURE_FUZZ_SEED=random (tests/fuzz/api.py says more)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}
work=$(mktemp -d "${TMPDIR:-/tmp}/tincture-test.XXXXXX")
cluster=$work/postgres
emulator=
deny_build=

finish() {
    local status=$?
    trap - EXIT INT TERM
    [ -z "$deny_build" ] || { kill "$deny_build" && wait "$deny_build"; } 2>/dev/null || true
    [ -z "$emulator" ] || { kill "$emulator" && wait "$emulator"; } 2>/dev/null || true
    [ ! -f "$cluster/postmaster.pid" ] || as_database_user "$postgres_bin/pg_ctl" -D "$cluster" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
    [ "$status" -eq 0 ] && printf '\nEverything passed.\n' || printf '\nscripts/test.sh failed (exit %s): see above.\n' "$status" >&2
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '\n==> %s\n' "$*"; }

# Incremental builds are for somebody who edits; here they cost gigabytes and time.
export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}

# A disk that gets full in the middle fails in ways that tell nobody why.
need_space() {
    local has needs=12
    mkdir -p "$target"
    [ ! -e "$target/debug/deps" ] || needs=4
    has=$(($(df -Pk "$target" | awk 'NR == 2 { print $4 }') / 1048576))
    [ "$has" -ge "$needs" ] || { echo "$target needs $needs GB of disk, and $has GB are free: make room, or set CARGO_TARGET_DIR to another disk." >&2; exit 1; }
}

# ---- what the machine must have

postgres_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }

missing_packages() {
    [ -n "$(postgres_bin)" ] || echo postgresql
    [ -x /usr/sbin/pgbouncer ] || echo pgbouncer
    command -v openssl >/dev/null || echo openssl
    command -v chromium >/dev/null || echo chromium
    command -v chromedriver >/dev/null || echo chromium-driver
    python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
    command -v cc >/dev/null || echo build-essential
    command -v patroni >/dev/null || echo patroni
    command -v etcd >/dev/null || echo etcd-server
    command -v pgbackrest >/dev/null || echo pgbackrest
    [ -x /usr/sbin/mosquitto ] || echo mosquitto
    command -v npm >/dev/null || echo npm
    [ -x /usr/sbin/nginx ] || echo nginx-light
    [ -x /usr/bin/caddy ] || echo caddy
    command -v promtool >/dev/null || echo prometheus
    command -v systemd-analyze >/dev/null || echo systemd
}

install_missing() {
    local packages
    packages=$(missing_packages | tr '\n' ' ')
    [ -n "$packages" ] || return 0
    step "Installing $packages"
    local sudo=
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || { echo "These Debian packages are missing: $packages. Install them, or run this as root or with sudo." >&2; exit 1; }
        sudo="sudo -n"
    fi
    # A database server of our own is started below; Debian's must not start a second one.
    $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages >/dev/null"
}

# ---- what it may be made of

deny_version=0.20.2

deny=$target/tools/bin/cargo-deny

# Kept under target/, so that it is compiled once; that takes minutes, which the tests leave while they wait for robots.
prepare_deny() {
    [ "$("$deny" --version 2>/dev/null)" != "cargo-deny $deny_version" ] || return 0
    CARGO_TARGET_DIR=$work/deny CARGO_PROFILE_DEV_DEBUG=0 nice -n 19 \
        cargo install --quiet --debug --no-default-features --locked --root "$target/tools" "cargo-deny@$deny_version" &
    deny_build=$!
}

check_dependencies() {
    step "Dependencies: licences, second versions, sources"
    if [ -n "$deny_build" ]; then
        wait "$deny_build"
        deny_build=
        rm -rf "$work/deny"
    fi
    "$deny" check --deny unmatched-skip --deny license-not-encountered bans licenses sources
}

# ---- PostgreSQL: a private cluster, never as root

as_database_user() {
    if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start_postgres() {
    local port attempt
    mkdir "$cluster"
    chmod 755 "$work"
    [ "$(id -u)" -ne 0 ] || chown postgres "$cluster"
    as_database_user "$postgres_bin/initdb" -D "$cluster" -U tincture --auth=trust --encoding=UTF8 --no-locale --no-sync >"$work/initdb.log" 2>&1 \
        || { cat "$work/initdb.log" >&2; exit 1; }
    # A free port may be taken by somebody else before the server has it, hence more than one attempt.
    for attempt in 1 2 3; do
        port=$(free_port)
        if as_database_user "$postgres_bin/pg_ctl" -D "$cluster" -w -t 30 -l "$cluster/log" start \
            -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='$cluster' -c fsync=off -c max_connections=200" >/dev/null 2>&1; then
            check_postgres "$port"
            export TINCTURE_TEST_POSTGRES="postgres://tincture@127.0.0.1:$port/postgres"
            return
        fi
    done
    cat "$cluster/log" >&2
    exit 1
}

# The server that answers must be ours: two suites may run on one machine.
check_postgres() {
    local directory
    directory=$("$postgres_bin/psql" -h 127.0.0.1 -p "$1" -U tincture -d postgres -Atqc 'SHOW data_directory')
    [ "$directory" = "$cluster" ] || { echo "Another PostgreSQL answers on port $1: $directory" >&2; exit 1; }
}

# ---- Python: clients that the emulator must satisfy, unchanged, and the fuzzer

# What tests/$1 needs.
prepare_python() {
    local requirements=tests/$1/requirements.txt venv=$target/$1-venv
    if ! cmp -s "$requirements" "$venv/installed.txt"; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
        cp "$requirements" "$venv/installed.txt"
    fi
    python=$venv/bin/python
}

# ---- a certified provider of identity, from npm, kept under target/

prepare_oidc() {
    export TINCTURE_TEST_OIDC=$target/oidc
    if ! cmp -s tests/oidc/package-lock.json "$TINCTURE_TEST_OIDC/installed.json"; then
        mkdir -p "$TINCTURE_TEST_OIDC"
        cp tests/oidc/package.json tests/oidc/package-lock.json "$TINCTURE_TEST_OIDC/"
        npm ci --prefix "$TINCTURE_TEST_OIDC" --ignore-scripts --no-audit --no-fund --silent
        cp tests/oidc/package-lock.json "$TINCTURE_TEST_OIDC/installed.json"
    fi
}

start_emulator() {
    "$target/debug/tincture" emulator --listen 127.0.0.1:0 --sensor-listen 127.0.0.1:0 --speed 600 >"$work/emulator.out" &
    emulator=$!
    local waited
    for waited in $(seq 100); do
        robot=$(sed -n 's|.*Virtual OT-2 *http://\([0-9.:]*\).*|\1|p' "$work/emulator.out")
        [ -z "$robot" ] || return 0
        kill -0 "$emulator" 2>/dev/null || break
        sleep 0.1
    done
    echo "The emulator didn't start." >&2
    exit 1
}

stop_emulator() {
    kill "$emulator"
    wait "$emulator"
    emulator=
}

run_python_client() {
    step "Python client: $1"
    start_emulator
    TINCTURE_ROBOT_HOST=${robot%:*} TINCTURE_ROBOT_PORT=${robot##*:} timeout 120 "$python" "$1"
    stop_emulator
}

# ---- the run

need_space
install_missing
postgres_bin=$(postgres_bin)

step "Formatting"
cargo fmt --all --check

step "Lints"
cargo clippy --locked --workspace --all-targets -- -D warnings
# The program as most people build it, without MongoDB's driver, which the tests need.
cargo clippy --locked -- -D warnings

step "PostgreSQL"
start_postgres

step "A document server"
prepare_python mongodb

step "A provider of identity"
prepare_oidc
step "A mail server"
prepare_python mail

step "Opentrons' analyser"
prepare_python opentrons

step "A Prefect server"
prepare_python prefect

step "Tests"
cargo test --locked --workspace --no-run
prepare_deny
cargo test --locked --workspace --no-fail-fast

check_dependencies

prepare_python clients
for client in tests/clients/*_cycle.py tests/clients/labware.py; do
    run_python_client "$client"
done

step "Prometheus: rules, alerts and panels over a real lab"
prepare_python monitoring
promtool check config deploy/prometheus/prometheus.yml
promtool test rules deploy/prometheus/tests/*.yml
"$python" deploy/grafana/dashboards.py --check
"$python" tests/monitoring/live.py "$target/debug/tincture"

step "What runs it in a cloud: manifests, compose.yaml, units (scripts/check-deploy.sh has the rest)"
scripts/check-deploy.sh quick

step "Schemathesis: the API as student, nobody and administrator"
prepare_python fuzz
"$python" tests/fuzz/api.py "$target/debug/tincture"
