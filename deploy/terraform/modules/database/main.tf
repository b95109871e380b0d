# The lab's data: PostgreSQL (Cloud SQL), MongoDB (Atlas), their backups, and the keys and secrets of both. What it needs comes from
# networking (where), kubernetes (who may read which secret) and monitoring (who is told).

locals {
  regions = toset(concat([var.region, var.backup_region], [for replica in values(var.cloud_sql.replicas) : replica.region]))

  # PostgreSQL's users, and of which roles each is. Only the administrator is of Google's, which may make roles. Who is said to be of none is
  # made a member of that too, so the others are of one that may next to nothing; their rights are `tincture database roles`' to give.
  users = {
    tincture_admin   = ["cloudsqlsuperuser"]
    tincture_owner   = ["pg_read_all_settings"]
    tincture_app     = ["pg_read_all_settings"]
    tincture_monitor = ["pg_monitor"]
    prefect          = ["pg_read_all_settings"]
  }

  # A file for each pod, and which pod alone may read it.
  secrets = {
    api               = "api"
    worker            = "worker"
    migrate           = "migrate"
    roles             = "roles"
    postgres-exporter = "postgres-exporter"
    prefect           = "prefect"
  }

  replica   = var.cloud_sql.reads_from == null ? "" : "database_replica_url = \"${local.url.replica}\"\n"
  documents = var.atlas == null ? "" : "documents_url = \"mongodb+srv://tincture_app:${module.security.passwords["mongodb_app"]}@${module.atlas[0].host}/tincture?retryWrites=true\"\n"

  hosts = module.cloud_sql.hosts
  url = {
    for name, server in { owner = ["tincture_owner", "primary"], admin = ["tincture_admin", "primary"], app = ["tincture_app", "primary"], replica = ["tincture_app", coalesce(var.cloud_sql.reads_from, "primary")] } :
    name => "postgres://${server[0]}:${module.security.passwords[server[0]]}@${local.hosts[server[1]]}:5432/tincture"
  }

  # The authority's certificate is no secret, but it comes as a file beside the others: deploy/kubernetes mounts both.
  common = "database_tls = \"verify-full\"\ndatabase_ca = \"/etc/tincture/ca/database-ca.pem\"\n"

  contents = {
    api     = "database_url = \"${local.url.app}\"\n${local.replica}${local.documents}${local.common}"
    worker  = "database_url = \"${local.url.app}\"\n${local.documents}${local.common}"
    migrate = "database_url = \"${local.url.owner}\"\n${local.common}"
    roles   = "database_url = \"${local.url.admin}\"\n${local.common}"
    prefect = "[server.database]\nconnection_url = \"postgresql+asyncpg://prefect:${module.security.passwords["prefect"]}@${local.hosts["primary"]}:5432/prefect\"\n"
    # The exporter takes user and host of its flags, and the password alone out of a file.
    postgres-exporter = module.security.passwords["tincture_monitor"]
  }
}

module "security" {
  source = "./security"

  project             = var.project
  project_number      = var.project_number
  name                = var.name
  regions             = local.regions
  users               = setunion(keys(local.users), ["mongodb_app", "mongodb_prometheus"])
  secrets             = local.secrets
  contents            = local.contents
  workloads           = var.workloads
  deletion_protection = var.deletion_protection
  labels              = var.labels
}

module "cloud_sql" {
  source = "./cloud_sql"

  project             = var.project
  name                = var.name
  region              = var.region
  zones               = var.cloud_sql.zones
  network             = var.network
  tier                = var.cloud_sql.tier
  availability        = var.cloud_sql.availability
  replicas            = var.cloud_sql.replicas
  disk_gb             = var.cloud_sql.disk_gb
  disk_limit_gb       = var.cloud_sql.disk_limit_gb
  max_connections     = var.cloud_sql.max_connections
  backups_kept        = var.cloud_sql.backups_kept
  backup_region       = var.backup_region
  keys                = module.security.keys
  users               = local.users
  passwords           = module.security.passwords
  other_databases     = ["prefect"]
  channels            = var.channels
  deletion_protection = var.deletion_protection
  labels              = var.labels
}

module "atlas" {
  source = "./atlas"
  count  = var.atlas == null ? 0 : 1

  project             = var.project
  name                = var.name
  org_id              = var.atlas.org_id
  region              = var.region
  backup_region       = var.backup_region
  instance_size       = var.atlas.instance_size
  network             = var.network
  key                 = module.security.keys[var.region]
  key_version         = "${module.security.keys[var.region]}/cryptoKeyVersions/${var.atlas.key_version}"
  passwords           = module.security.passwords
  alarm_email         = var.atlas.alarm_email
  deletion_protection = var.deletion_protection
  labels              = var.labels
}

module "backup" {
  source = "./backup"

  project        = var.project
  name           = var.name
  region         = var.region
  backup_region  = var.backup_region
  key            = module.security.keys[var.backup_region]
  instance       = module.cloud_sql.instance
  server_account = module.cloud_sql.service_account
  network        = var.network
  export_days    = var.export_days
  channels       = var.channels
  labels         = var.labels
}
