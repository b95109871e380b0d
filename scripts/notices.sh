#!/usr/bin/env bash
# Writes the licence texts of everything that the binary contains: scripts/notices.sh [FILE], by default
# target/THIRD-PARTY.md. Needs cargo-about, which it compiles once into target/tools (some minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
out=${1:-$target/THIRD-PARTY.md}
version=0.9.3
about=$target/tools/bin/cargo-about
if [ "$("$about" --version 2>/dev/null)" != "cargo-about $version" ]; then
    # Optimised: it compares every source file with every licence there is.
    cargo install --quiet --no-default-features --features cli --locked --root "$target/tools" "cargo-about@$version"
fi
"$about" generate --fail -c scripts/about.toml --manifest-path crates/tincture/Cargo.toml scripts/about.hbs -o "$out"
echo "Written to $out"
