# PostgreSQL as Google runs it: a pair of servers in two zones over one disk that is written in both, replicas, each moment of the last
# days, and no way in but the private one.

locals {
  flags = {
    # What is watched.
    log_checkpoints            = "on"
    log_connections            = "on"
    log_disconnections         = "on"
    log_lock_waits             = "on"
    log_temp_files             = "0"
    log_min_duration_statement = "-1"
    log_min_messages           = "warning"
    log_min_error_statement    = "error"
    log_statement              = "ddl"
    "cloudsql.enable_pgaudit"  = "on"
    "pgaudit.log"              = "ddl,role"
    max_connections            = tostring(var.max_connections)
  }
}

resource "google_sql_database_instance" "primary" {
  project             = var.project
  name                = var.name
  region              = var.region
  database_version    = var.database_version
  encryption_key_name = var.keys[var.region]
  deletion_protection = var.deletion_protection

  settings {
    tier                        = var.tier
    edition                     = "ENTERPRISE"
    availability_type           = var.availability
    activation_policy           = "ALWAYS"
    disk_type                   = "PD_SSD"
    disk_size                   = var.disk_gb
    disk_autoresize             = true
    disk_autoresize_limit       = var.disk_limit_gb
    deletion_protection_enabled = var.deletion_protection
    retain_backups_on_delete    = true
    user_labels                 = var.labels

    location_preference {
      zone           = var.zones[0]
      secondary_zone = var.availability == "REGIONAL" ? var.zones[1] : null
    }

    ip_configuration {
      ipv4_enabled       = false
      private_network    = var.network.id
      allocated_ip_range = var.network.managed_services_range
      ssl_mode           = "ENCRYPTED_ONLY"
      # Its certificate is for its name, so that it can be told from everybody else's.
      server_ca_mode = "GOOGLE_MANAGED_CAS_CA"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "01:00"
      location                       = var.backup_region
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = var.log_days
      backup_retention_settings {
        retained_backups = var.backups_kept
        retention_unit   = "COUNT"
      }
    }

    final_backup_config {
      enabled        = true
      retention_days = 90
    }

    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled  = true
      query_plans_per_minute  = 5
      query_string_length     = 1024
      record_application_tags = true
      # Whose browser asked is in the lab's own log, where it is forgotten in time.
      record_client_address = false
    }

    password_validation_policy {
      enable_password_policy      = true
      min_length                  = 20
      complexity                  = "COMPLEXITY_DEFAULT"
      disallow_username_substring = true
    }

    dynamic "database_flags" {
      for_each = local.flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    # It grows by itself.
    ignore_changes = [settings[0].disk_size]

    precondition {
      condition     = var.availability == "ZONAL" || length(var.zones) >= 2
      error_message = "REGIONAL takes two zones: one for each of the pair."
    }
  }
}

resource "google_sql_database_instance" "replica" {
  for_each             = var.replicas
  project              = var.project
  name                 = "${var.name}-${each.key}"
  region               = each.value.region
  database_version     = var.database_version
  master_instance_name = google_sql_database_instance.primary.name
  encryption_key_name  = var.keys[each.value.region]
  deletion_protection  = var.deletion_protection

  settings {
    tier                        = coalesce(each.value.tier, var.tier)
    edition                     = "ENTERPRISE"
    availability_type           = "ZONAL"
    disk_type                   = "PD_SSD"
    disk_autoresize             = true
    disk_autoresize_limit       = var.disk_limit_gb
    deletion_protection_enabled = var.deletion_protection
    user_labels                 = var.labels

    location_preference {
      zone = each.value.zone
    }

    ip_configuration {
      ipv4_enabled       = false
      private_network    = var.network.id
      allocated_ip_range = var.network.managed_services_range
      ssl_mode           = "ENCRYPTED_ONLY"
      server_ca_mode     = "GOOGLE_MANAGED_CAS_CA"
    }

    insights_config {
      query_insights_enabled  = true
      record_application_tags = true
    }

    dynamic "database_flags" {
      for_each = local.flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    precondition {
      condition     = each.value.region != var.region || each.value.zone != var.zones[0]
      error_message = "A replica stands in another zone than the primary, or in another region: here it would die with it."
    }
  }
}

resource "google_sql_database" "tincture" {
  project         = var.project
  instance        = google_sql_database_instance.primary.name
  name            = "tincture"
  deletion_policy = "ABANDON"
}

resource "google_sql_database" "other" {
  for_each        = var.other_databases
  project         = var.project
  instance        = google_sql_database_instance.primary.name
  name            = each.value
  deletion_policy = "ABANDON"
}

# Who they are; what they may is said by `tincture database roles`. Only the administrator, whom one job is, makes and grants roles.
resource "google_sql_user" "user" {
  for_each        = var.users
  project         = var.project
  instance        = google_sql_database_instance.primary.name
  name            = each.key
  password        = var.passwords[each.key]
  database_roles  = each.value
  deletion_policy = "ABANDON"
}

# ---- its name, as its certificate has it, known in the private network alone

locals {
  servers = merge({ primary = google_sql_database_instance.primary }, google_sql_database_instance.replica)
}

resource "google_dns_managed_zone" "server" {
  for_each    = toset(concat(["primary"], keys(var.replicas)))
  project     = var.project
  name        = "${var.name}-sql-${each.value}"
  dns_name    = local.servers[each.value].dns_name
  description = "PostgreSQL's own name, in the lab's network"
  visibility  = "private"

  private_visibility_config {
    networks {
      network_url = var.network.id
    }
  }

  lifecycle {
    precondition {
      condition     = local.servers[each.value].dns_name != ""
      error_message = "Google gave this server no name; its certificate can't be checked by one. See docs/cloud.md."
    }
  }
}

resource "google_dns_record_set" "server" {
  for_each     = google_dns_managed_zone.server
  project      = var.project
  managed_zone = each.value.name
  name         = each.value.dns_name
  type         = "A"
  ttl          = 60
  rrdatas      = [local.servers[each.key].private_ip_address]
}

# ---- what its own figures tell, that the lab can't see from inside

resource "google_monitoring_alert_policy" "server" {
  for_each = {
    disk        = { metric = "disk/utilization", above = 0.85, for = "600s", says = "The disk is filling, and grows no further than its limit.", page = true }
    cpu         = { metric = "cpu/utilization", above = 0.9, for = "1800s", says = "The server has been busy for half an hour: take a larger tier.", page = false }
    memory      = { metric = "memory/utilization", above = 0.95, for = "1800s", says = "Memory is short: take a larger tier.", page = false }
    connections = { metric = "postgresql/num_backends", above = var.max_connections * 0.85, for = "600s", says = "Connections run out: docs/runbooks/connections-busy.md.", page = false }
    lag         = { metric = "replication/replica_lag", above = 60, for = "600s", says = "A replica is behind: docs/runbooks/replica-lags.md.", page = false }
  }
  project               = var.project
  display_name          = "${var.name}: PostgreSQL, ${each.key}"
  combiner              = "OR"
  severity              = each.value.page ? "CRITICAL" : "WARNING"
  notification_channels = each.value.page ? var.channels.page : var.channels.ticket

  conditions {
    display_name = each.key
    condition_threshold {
      filter          = "metric.type = \"cloudsql.googleapis.com/database/${each.value.metric}\" AND resource.type = \"cloudsql_database\""
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = each.value.for
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_MEAN"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.database_id"]
      }
    }
  }

  documentation {
    content   = each.value.says
    mime_type = "text/markdown"
  }
}
