# What is promised of keys and secrets.
mock_provider "google" {}
mock_provider "random" {}

variables {
  regions   = ["europe-west3", "europe-west4"]
  users     = ["tincture_app"]
  secrets   = { api = "api", migrate = "migrate" }
  contents  = { api = "x", migrate = "y" }
  labels    = {}
  workloads = { api = "principal://iam.googleapis.com/a/subject/ns/tincture/sa/api", migrate = "principal://iam.googleapis.com/a/subject/ns/tincture/sa/migrate" }
}

run "promises" {
  command = plan

  module {
    source = "../../modules/database/security"
  }

  assert {
    condition     = tomap({ for file, reader in google_secret_manager_secret_iam_member.reader : file => reader.member }) == var.workloads && alltrue([for reader in google_secret_manager_secret_iam_member.reader : reader.role == "roles/secretmanager.secretAccessor"])
    error_message = "A secret may be read by another than the one pod that needs it."
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.file : length(secret.replication[0].user_managed[0].replicas) == 2 && alltrue([for replica in secret.replication[0].user_managed[0].replicas : length(replica.customer_managed_encryption) == 1])])
    error_message = "A secret isn't in both regions, encrypted by our key."
  }

  assert {
    condition     = alltrue([for key in google_kms_crypto_key.data : key.rotation_period == "7776000s" && key.version_template[0].protection_level == "HSM"])
    error_message = "A key isn't renewed every 90 days, or isn't kept in hardware."
  }

  assert {
    condition     = alltrue([for password in random_password.database : password.length >= 32 && password.override_special == "-_" && password.min_special >= 1])
    error_message = "A password is short, or has no sign, or one that a URL would have to escape."
  }
}

run "everybody_is_no_reader" {
  command = plan
  module {
    source = "../../modules/database/security"
  }
  variables {
    workloads = { api = "allUsers", migrate = "principalSet://iam.googleapis.com/a/*" }
  }
  expect_failures = [var.workloads]
}

run "one_region_is_refused" {
  command = plan
  module {
    source = "../../modules/database/security"
  }
  variables {
    regions = ["europe-west3"]
  }
  expect_failures = [var.regions]
}
