# What is promised of backups beside the databases' own.
mock_provider "google" {}

variables {
  network        = { id = "projects/p/global/networks/n", name = "n", node_subnet = "s", pods_range = "pods", services_range = "services", endpoint_subnet = "e", managed_services_range = "m" }
  channels       = { page = ["projects/p/notificationChannels/1"], ticket = ["projects/p/notificationChannels/2"] }
  key            = "key-there"
  instance       = "tincture-prod"
  server_account = "p1@gcp-sa-cloud-sql.iam.gserviceaccount.com"
}

run "promises" {
  command = apply

  module {
    source = "../../modules/database/backup"
  }

  assert {
    condition     = google_storage_bucket.exports.location == var.backup_region && google_storage_bucket.exports.location != var.region
    error_message = "Exports lie in the database's own region."
  }

  assert {
    condition     = tonumber(google_storage_bucket.exports.retention_policy[0].retention_period) >= 30 * 86400
    error_message = "Somebody can remove exports before they are 30 days old."
  }

  assert {
    condition     = alltrue([for bucket in [google_storage_bucket.exports, google_storage_bucket.drill, google_storage_bucket.log] : bucket.public_access_prevention == "enforced" && bucket.uniform_bucket_level_access && bucket.encryption[0].default_kms_key_name == "key-there"])
    error_message = "A bucket can be made public, or isn't encrypted by our key."
  }

  assert {
    condition     = google_cloud_scheduler_job.job["export"].schedule == "30 2 * * *" && google_cloud_scheduler_job.job["drill"].schedule == "0 4 * * 3"
    error_message = "Export or drill aren't scheduled."
  }

  assert {
    condition     = alltrue([for job in google_cloud_scheduler_job.job : strcontains(job.http_target[0].uri, "/executions")])
    error_message = "The schedule starts no workflow."
  }

  assert {
    condition     = !contains(google_project_iam_custom_role.keeper.permissions, "cloudsql.instances.delete") && strcontains(google_project_iam_member.drill.condition[0].expression, "tincture-prod-drill-")
    error_message = "Who rehearses may delete the lab's own server."
  }

  assert {
    condition     = keys(google_monitoring_alert_policy.missing) == ["drill", "export"] && alltrue([for alert in google_monitoring_alert_policy.missing : length(alert.notification_channels) > 0])
    error_message = "Nobody is told when no export or no drill was made."
  }

  assert {
    condition     = alltrue([for name, job in google_workflows_workflow.job : can(yamldecode(job.source_contents).main.steps) && strcontains(job.source_contents, "tincture: ${name} done")])
    error_message = "A workflow can't be read, or doesn't say what its alarm waits for."
  }
}

run "a_drill_once_a_month_is_refused" {
  command = plan
  module {
    source = "../../modules/database/backup"
  }
  variables {
    drill_schedule = "0 4 1 * *"
  }
  expect_failures = [var.drill_schedule]
}
