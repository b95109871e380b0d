#!/bin/bash
# A streaming standby: copied from the primary where there is nothing yet, then followed.
set -euo pipefail

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "${PGDATA:?}"/*
    until pg_basebackup -d "host=${PRIMARY:-postgres} port=${PRIMARY_PORT:-5432} user=replication application_name=replica" \
        -D "$PGDATA" --slot=replica --wal-method=stream --write-recovery-conf --checkpoint=fast; do
        # Half a copy is none.
        rm -rf "${PGDATA:?}"/*
        sleep 2
    done
    chmod 700 "$PGDATA"
fi
exec postgres -c hot_standby=on -c hot_standby_feedback=on "$@"
