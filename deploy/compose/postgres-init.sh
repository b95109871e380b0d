#!/bin/bash
# Run once, by the image, in an empty PostgreSQL: the lab's roles with their passwords (what they may do, `tincture database roles`
# says), Prefect's database, and the way in for the replica.
set -euo pipefail

psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d tincture \
    -v owner="$OWNER_PASSWORD" -v app="$APP_PASSWORD" -v monitor="$MONITOR_PASSWORD" \
    -v prefect="$PREFECT_PASSWORD" -v replication="$REPLICATION_PASSWORD" <<'SQL'
CREATE ROLE tincture_owner LOGIN PASSWORD :'owner';
CREATE ROLE tincture_app LOGIN PASSWORD :'app';
CREATE ROLE tincture_monitor LOGIN PASSWORD :'monitor';
GRANT pg_monitor TO tincture_monitor;
CREATE ROLE replication LOGIN REPLICATION PASSWORD :'replication';
CREATE ROLE prefect LOGIN PASSWORD :'prefect';
CREATE DATABASE prefect OWNER prefect;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO tincture_owner;
SELECT pg_create_physical_replication_slot('replica');
SQL

echo 'host replication replication all scram-sha-256' >> "$PGDATA/pg_hba.conf"
