# MongoDB as its makers run it: three nodes, reached by a private endpoint alone.
#
# The provider's 1.41 makes one endpoint for each node (the older way, which Atlas ends on 30 April 2027); the newer way, one for all,
# needs a later provider. docs/cloud.md says what to change then.

locals {
  # As Atlas calls Google's regions.
  regions = {
    "europe-west1"    = "WESTERN_EUROPE"
    "europe-west3"    = "EUROPE_WEST_3"
    "europe-west4"    = "EUROPE_WEST_4"
    "europe-north1"   = "EUROPE_NORTH_1"
    "us-central1"     = "CENTRAL_US"
    "us-east1"        = "EASTERN_US"
    "us-east4"        = "US_EAST_4"
    "us-west1"        = "WESTERN_US"
    "asia-northeast1" = "NORTHEASTERN_ASIA_PACIFIC"
    "asia-southeast1" = "SOUTHEASTERN_ASIA_PACIFIC"
  }
}

resource "mongodbatlas_project" "lab" {
  org_id                       = var.org_id
  name                         = var.name
  with_default_alerts_settings = true
  is_data_explorer_enabled     = false

  # One endpoint for each node, and one to spare. Atlas' own default would take fifty addresses.
  limits {
    name  = "atlas.project.deployment.privateServiceConnectionsPerRegionGroup"
    value = local.endpoints
  }
}

locals {
  nodes     = 3
  endpoints = 4
}

# ---- its disks, encrypted by our key

resource "mongodbatlas_cloud_provider_access_setup" "google" {
  project_id    = mongodbatlas_project.lab.id
  provider_name = "GCP"
}

resource "google_kms_crypto_key_iam_member" "atlas" {
  for_each      = toset(["roles/cloudkms.cryptoKeyEncrypterDecrypter", "roles/cloudkms.viewer"])
  crypto_key_id = var.key
  role          = each.value
  member        = "serviceAccount:${mongodbatlas_cloud_provider_access_setup.google.gcp_config[0].service_account_for_atlas}"
}

resource "mongodbatlas_cloud_provider_access_authorization" "google" {
  project_id = mongodbatlas_project.lab.id
  role_id    = mongodbatlas_cloud_provider_access_setup.google.role_id
  depends_on = [google_kms_crypto_key_iam_member.atlas]
}

resource "mongodbatlas_encryption_at_rest" "lab" {
  project_id = mongodbatlas_project.lab.id

  google_cloud_kms_config {
    enabled                 = true
    role_id                 = mongodbatlas_cloud_provider_access_authorization.google.role_id
    key_version_resource_id = var.key_version
  }
}

# ---- the three nodes

resource "mongodbatlas_advanced_cluster" "lab" {
  project_id                     = mongodbatlas_project.lab.id
  name                           = var.name
  cluster_type                   = "REPLICASET"
  mongo_db_major_version         = "8.0"
  version_release_system         = "LTS"
  backup_enabled                 = true
  pit_enabled                    = true
  retain_backups_enabled         = true
  termination_protection_enabled = var.deletion_protection
  encryption_at_rest_provider    = "GCP"
  redact_client_log_data         = true

  replication_specs {
    region_configs {
      provider_name = "GCP"
      region_name   = local.regions[var.region]
      priority      = 7

      electable_specs {
        instance_size = var.instance_size
        node_count    = local.nodes
      }

      auto_scaling {
        disk_gb_enabled = true
      }
    }
  }

  advanced_configuration {
    minimum_enabled_tls_protocol = "TLS1_2"
    javascript_enabled           = false
    default_write_concern        = "majority"
    oplog_min_retention_hours    = 48
  }

  dynamic "tags" {
    for_each = var.labels
    content {
      key   = tags.key
      value = tags.value
    }
  }

  depends_on = [mongodbatlas_encryption_at_rest.lab, mongodbatlas_privatelink_endpoint_service.lab]
}

resource "mongodbatlas_maintenance_window" "lab" {
  project_id              = mongodbatlas_project.lab.id
  day_of_week             = 1
  hour_of_day             = 3
  auto_defer_once_enabled = true
}

resource "mongodbatlas_cloud_backup_schedule" "lab" {
  project_id               = mongodbatlas_project.lab.id
  cluster_name             = mongodbatlas_advanced_cluster.lab.name
  reference_hour_of_day    = 1
  reference_minute_of_hour = 30
  restore_window_days      = 7

  policy_item_hourly {
    frequency_interval = 6
    retention_unit     = "days"
    retention_value    = 7
  }

  policy_item_daily {
    frequency_interval = 1
    retention_unit     = "days"
    retention_value    = 30
  }

  policy_item_weekly {
    frequency_interval = 6
    retention_unit     = "weeks"
    retention_value    = 12
  }

  # The copy that a lost region leaves.
  copy_settings {
    cloud_provider     = "GCP"
    region_name        = local.regions[var.backup_region]
    zone_id            = mongodbatlas_advanced_cluster.lab.replication_specs[0].zone_id
    frequencies        = ["DAILY", "WEEKLY"]
    should_copy_oplogs = true
  }
}

# ---- the private endpoint: no address of the internet is let in, since none is listed

resource "mongodbatlas_privatelink_endpoint" "lab" {
  project_id    = mongodbatlas_project.lab.id
  provider_name = "GCP"
  region        = var.region
}

resource "google_compute_address" "endpoint" {
  count        = local.endpoints
  project      = var.project
  name         = "${var.name}-mongodb-${count.index}"
  region       = var.region
  subnetwork   = var.network.endpoint_subnet
  address_type = "INTERNAL"
}

resource "google_compute_forwarding_rule" "endpoint" {
  count                 = local.endpoints
  project               = var.project
  name                  = google_compute_address.endpoint[count.index].name
  region                = var.region
  network               = var.network.id
  ip_address            = google_compute_address.endpoint[count.index].id
  target                = mongodbatlas_privatelink_endpoint.lab.service_attachment_names[count.index]
  load_balancing_scheme = ""
}

resource "mongodbatlas_privatelink_endpoint_service" "lab" {
  project_id          = mongodbatlas_project.lab.id
  private_link_id     = mongodbatlas_privatelink_endpoint.lab.private_link_id
  provider_name       = "GCP"
  gcp_project_id      = var.project
  endpoint_service_id = var.network.name

  dynamic "endpoints" {
    for_each = google_compute_address.endpoint
    content {
      ip_address    = endpoints.value.address
      endpoint_name = google_compute_forwarding_rule.endpoint[endpoints.key].name
    }
  }
}

# ---- who may do what

resource "mongodbatlas_database_user" "application" {
  project_id         = mongodbatlas_project.lab.id
  auth_database_name = "admin"
  username           = "tincture_app"
  password           = var.passwords["mongodb_app"]

  roles {
    role_name     = "readWrite"
    database_name = "tincture"
  }

  scopes {
    name = mongodbatlas_advanced_cluster.lab.name
    type = "CLUSTER"
  }
}

resource "mongodbatlas_auditing" "lab" {
  project_id = mongodbatlas_project.lab.id
  enabled    = true
  audit_filter = jsonencode({
    atype           = { "$in" = ["authCheck", "createUser", "dropUser", "updateUser", "grantRolesToUser", "dropDatabase", "dropCollection"] }
    "param.command" = { "$nin" = ["find", "insert", "getMore", "aggregate"] }
  })
  audit_authorization_success = false
}

# ---- what is seen of it

resource "mongodbatlas_third_party_integration" "prometheus" {
  project_id        = mongodbatlas_project.lab.id
  type              = "PROMETHEUS"
  user_name         = "prometheus"
  password          = var.passwords["mongodb_prometheus"]
  service_discovery = "http"
  enabled           = true
}

resource "mongodbatlas_alert_configuration" "cluster" {
  for_each   = { no_primary = "NO_PRIMARY", backup_failed = "CPS_SNAPSHOT_FAILED", backup_late = "CPS_SNAPSHOT_BEHIND", key_unreachable = "GCP_ENCRYPTION_KEY_NEEDS_ROTATION" }
  project_id = mongodbatlas_project.lab.id
  event_type = each.value
  enabled    = true

  dynamic "threshold_config" {
    for_each = contains(["CPS_SNAPSHOT_BEHIND", "GCP_ENCRYPTION_KEY_NEEDS_ROTATION"], each.value) ? [each.value] : []
    content {
      operator  = "GREATER_THAN"
      threshold = threshold_config.value == "CPS_SNAPSHOT_BEHIND" ? 12 : 100
      units     = threshold_config.value == "CPS_SNAPSHOT_BEHIND" ? "HOURS" : "DAYS"
    }
  }

  notification {
    type_name     = "EMAIL"
    email_address = var.alarm_email
    interval_min  = 60
    delay_min     = 0
  }
}
