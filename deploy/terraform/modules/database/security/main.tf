# Keys and secrets of the databases. Each pod reads the one file that it needs out of Secret Manager, as itself; nobody else reads any.

locals {
  # Service agents of Google's that encrypt with our keys; made by google_project_service in the environment.
  agents = {
    sql     = "service-${var.project_number}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
    secrets = "service-${var.project_number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
    storage = "service-${var.project_number}@gs-project-accounts.iam.gserviceaccount.com"
  }
  granted = merge([for region in var.regions : { for what, agent in local.agents : "${region}/${what}" => { region = region, agent = agent } }]...)
}

# A key in each region that keeps something, since a replica is encrypted by a key of its own region.
resource "google_kms_key_ring" "data" {
  for_each = var.regions
  project  = var.project
  name     = "${var.name}-data"
  location = each.value
}

resource "google_kms_crypto_key" "data" {
  for_each        = var.regions
  name            = "data"
  key_ring        = google_kms_key_ring.data[each.value].id
  rotation_period = "7776000s"

  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = "HSM"
  }

  # Who deletes the key deletes the data, backups too.
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "agent" {
  for_each      = local.granted
  crypto_key_id = google_kms_crypto_key.data[each.value.region].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value.agent}"
}

# With a sign, as Cloud SQL's rule for passwords wants it, but none that a URL or a TOML string would have to escape.
resource "random_password" "database" {
  for_each         = var.users
  length           = 40
  override_special = "-_"
  min_special      = 1
  min_lower        = 1
  min_upper        = 1
  min_numeric      = 1
}

resource "google_secret_manager_secret" "file" {
  for_each = var.secrets
  project  = var.project
  # One lab a project: deploy/kubernetes names them without knowing which.
  secret_id           = "tincture-${each.key}"
  labels              = var.labels
  deletion_protection = var.deletion_protection
  version_destroy_ttl = "604800s"

  replication {
    user_managed {
      dynamic "replicas" {
        for_each = var.regions
        content {
          location = replicas.value
          customer_managed_encryption {
            kms_key_name = google_kms_crypto_key.data[replicas.value].id
          }
        }
      }
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_secret_manager_secret_version" "file" {
  for_each    = var.secrets
  secret      = google_secret_manager_secret.file[each.key].id
  secret_data = var.contents[each.key]

  # The version before stays until the pods have read this one.
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each  = var.secrets
  project   = var.project
  secret_id = google_secret_manager_secret.file[each.key].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = var.workloads[each.value]
}
