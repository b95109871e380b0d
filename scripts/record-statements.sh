#!/usr/bin/env bash
# Records the statements that this release sends, for the releases after it: their test tries them on their schema.
#
# Run it before a release, with PostgreSQL as for the tests (TINCTURE_TEST_POSTGRES, or an installed server). The files are
# named after the newest migration; those of earlier releases stay as they are.
set -euo pipefail
cd "$(dirname "$0")/.."
migrations=crates/store/src/migrations
newest=$(basename "$(ls "$migrations"/[0-9]*.sql | sort | tail -n 1)" .sql)
record=$(mktemp -d)
trap 'rm -rf "$record"' EXIT

# One test looks for the record that is made here, so it may fail.
TINCTURE_RECORD_STATEMENTS=$record cargo test --locked -p tincture-store --test conformance -- --skip older_releases
TINCTURE_RECORD_STATEMENTS=$record cargo test --locked -p tincture-auth --test service

for database in sqlite postgres; do
    # What the tests themselves ask isn't the release's.
    grep -v ' AS text FROM \|pragma_table_info\|information_schema' "$record/$database.sql" | LC_ALL=C sort -u \
        >"$migrations/statements/$newest.$database.sql"
done
wc -l "$migrations/statements/$newest".*.sql
