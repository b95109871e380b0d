# What is left when the database's own backups aren't: an export each night into a bucket of another region, which nobody can empty before
# its time; and a drill each week that puts the database back and looks whether anything is in it.

resource "google_storage_bucket" "exports" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-exports"
  location                    = var.backup_region
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  labels                      = var.labels

  # Until then not even an administrator can remove or overwrite one. (Versioning would add nothing, and Google refuses both together.)
  retention_policy {
    retention_period = tostring(var.export_days * 86400)
    is_locked        = false
  }

  soft_delete_policy {
    retention_duration_seconds = 604800
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = var.export_days + 1
    }
  }

  encryption {
    default_kms_key_name = var.key
  }

  logging {
    log_bucket = google_storage_bucket.log.name
  }
}

resource "google_storage_bucket" "log" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-exports-log"
  location                    = var.backup_region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  labels                      = var.labels

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 90
    }
  }

  encryption {
    default_kms_key_name = var.key
  }
}

resource "google_storage_bucket_iam_member" "server" {
  for_each = toset(["roles/storage.objectCreator", "roles/storage.legacyBucketReader"])
  bucket   = google_storage_bucket.exports.name
  role     = each.value
  member   = "serviceAccount:${var.server_account}"
}

# The server that the drill makes writes as an account that isn't known before, so its answer goes into a bucket of its own.
resource "google_storage_bucket" "drill" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-drill"
  location                    = var.backup_region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  labels                      = var.labels

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 30
    }
  }

  versioning {
    enabled = true
  }

  encryption {
    default_kms_key_name = var.key
  }

  logging {
    log_bucket = google_storage_bucket.log.name
  }
}

# ---- who does it

resource "google_service_account" "keeper" {
  project      = var.project
  account_id   = "${var.name}-backup"
  display_name = "Exports the database, and rehearses putting it back"
}

resource "google_project_iam_custom_role" "keeper" {
  project     = var.project
  role_id     = replace("${var.name}_backup", "-", "_")
  title       = "Backup of ${var.name}"
  description = "What an export and a drill need: no users, no passwords, no change of the lab's own server"
  permissions = ["cloudsql.instances.get", "cloudsql.instances.export", "cloudsql.instances.clone"]
}

resource "google_project_iam_member" "keeper" {
  project = var.project
  role    = google_project_iam_custom_role.keeper.id
  member  = "serviceAccount:${google_service_account.keeper.email}"
}

# It may delete, and of servers that are called like a drill's alone.
resource "google_project_iam_custom_role" "drill" {
  project     = var.project
  role_id     = replace("${var.name}_drill", "-", "_")
  title       = "Drill of ${var.name}"
  description = "Make and delete the drill's server"
  permissions = ["cloudsql.instances.create", "cloudsql.instances.update", "cloudsql.instances.delete"]
}

resource "google_project_iam_member" "drill" {
  project = var.project
  role    = google_project_iam_custom_role.drill.id
  member  = "serviceAccount:${google_service_account.keeper.email}"

  condition {
    title      = "drills alone"
    expression = "resource.name.startsWith('projects/${var.project}/instances/${local.drill}')"
  }
}

resource "google_project_iam_member" "log" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = "serviceAccount:${google_service_account.keeper.email}"
}

resource "google_storage_bucket_iam_member" "drill" {
  bucket = google_storage_bucket.drill.name
  role   = "roles/storage.admin"
  member = "serviceAccount:${google_service_account.keeper.email}"
}

locals {
  drill = "${var.instance}-drill-"
  jobs  = { export = var.export_schedule, drill = var.drill_schedule }
  given = {
    project  = var.project
    instance = var.instance
    bucket   = google_storage_bucket.exports.name
    answers  = google_storage_bucket.drill.name
    drill    = local.drill
    range    = var.network.managed_services_range
  }
}

resource "google_workflows_workflow" "job" {
  for_each            = local.jobs
  project             = var.project
  name                = "${var.name}-${each.key}"
  region              = var.region
  description         = "deploy/terraform/modules/database/backup/${each.key}.yaml"
  service_account     = google_service_account.keeper.email
  call_log_level      = "LOG_ERRORS_ONLY"
  deletion_protection = false
  labels              = var.labels
  source_contents     = file("${path.module}/${each.key}.yaml")
  user_env_vars       = { for name, value in local.given : upper(name) => value }
}

resource "google_project_iam_member" "invoker" {
  project = var.project
  role    = "roles/workflows.invoker"
  member  = "serviceAccount:${google_service_account.keeper.email}"
}

resource "google_cloud_scheduler_job" "job" {
  for_each         = local.jobs
  project          = var.project
  region           = var.region
  name             = "${var.name}-${each.key}"
  schedule         = each.value
  time_zone        = "Etc/UTC"
  attempt_deadline = "60s"

  http_target {
    http_method = "POST"
    uri         = "https://workflowexecutions.googleapis.com/v1/${google_workflows_workflow.job[each.key].id}/executions"
    body        = base64encode("{}")
    oauth_token {
      service_account_email = google_service_account.keeper.email
    }
  }

  retry_config {
    retry_count = 3
  }
}

# ---- a backup that isn't made is an alarm: it isn't failure that is watched for, but that success stays away

resource "google_logging_metric" "done" {
  for_each    = local.jobs
  project     = var.project
  name        = "${var.name}-${each.key}-done"
  description = "Runs of ${each.key}.yaml that came to their end"
  filter      = "resource.type=\"workflows.googleapis.com/Workflow\" AND resource.labels.workflow_id=\"${google_workflows_workflow.job[each.key].name}\" AND jsonPayload.tincture=\"${each.key} done\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_monitoring_alert_policy" "missing" {
  for_each              = { export = { days = 1.25, says = "docs/runbooks/backup-too-old.md" }, drill = { days = 8, says = "docs/cloud.md, \"The drill\"" } }
  project               = var.project
  display_name          = "${var.name}: no ${each.key} for too long"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.channels.ticket

  conditions {
    display_name = "none in ${each.value.days} days"
    # PromQL: a condition of absence waits for a day and a half at most.
    condition_prometheus_query_language {
      query               = "(sum(increase({\"logging.googleapis.com/user/${google_logging_metric.done[each.key].name}\"}[${each.value.days * 24}h])) or vector(0)) < 1"
      duration            = "3600s"
      evaluation_interval = "600s"
    }
  }

  documentation {
    content   = each.value.says
    mime_type = "text/markdown"
  }
}
