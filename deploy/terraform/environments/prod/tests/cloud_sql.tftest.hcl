# What is promised of PostgreSQL, held against prod's own values (terraform.tfvars).
mock_provider "google" {
  mock_resource "google_sql_database_instance" {
    defaults = {
      dns_name                      = "0123456789ab.fedcba987654.europe-west3.sql.goog."
      private_ip_address            = "10.20.32.3"
      service_account_email_address = "p1@gcp-sa-cloud-sql.iam.gserviceaccount.com"
      server_ca_cert                = [{ cert = "-----BEGIN CERTIFICATE-----", common_name = "", create_time = "", expiration_time = "", sha1_fingerprint = "" }]
    }
  }
}

variables {
  network   = { id = "projects/p/global/networks/n", name = "n", node_subnet = "s", pods_range = "pods", services_range = "services", endpoint_subnet = "e", managed_services_range = "m" }
  channels  = { page = ["projects/p/notificationChannels/1"], ticket = ["projects/p/notificationChannels/2"] }
  tier      = var.cloud_sql.tier
  zones     = var.cloud_sql.zones
  replicas  = var.cloud_sql.replicas
  keys      = { europe-west3 = "key-here", europe-west4 = "key-there" }
  users     = { tincture_admin = ["cloudsqlsuperuser"], tincture_owner = ["pg_read_all_settings"], tincture_app = ["pg_read_all_settings"], tincture_monitor = ["pg_monitor"] }
  passwords = { tincture_admin = "a", tincture_owner = "b", tincture_app = "c", tincture_monitor = "d" }

  availability = var.cloud_sql.availability
}

run "promises" {
  command = apply

  module {
    source = "../../modules/database/cloud_sql"
  }

  assert {
    condition     = google_sql_database_instance.primary.settings[0].availability_type == "REGIONAL"
    error_message = "One zone's loss would be the lab's: the primary has no standby."
  }

  assert {
    condition     = google_sql_database_instance.primary.settings[0].location_preference[0].zone != google_sql_database_instance.primary.settings[0].location_preference[0].secondary_zone
    error_message = "The standby is in the primary's zone."
  }

  assert {
    condition     = anytrue([for replica in google_sql_database_instance.replica : replica.region == var.region && replica.settings[0].location_preference[0].zone != google_sql_database_instance.primary.settings[0].location_preference[0].zone])
    error_message = "No replica in another zone of the region."
  }

  assert {
    condition     = anytrue([for replica in google_sql_database_instance.replica : replica.region != var.region])
    error_message = "No replica in another region."
  }

  assert {
    condition     = google_sql_database_instance.primary.settings[0].backup_configuration[0].enabled && google_sql_database_instance.primary.settings[0].backup_configuration[0].point_in_time_recovery_enabled && google_sql_database_instance.primary.settings[0].backup_configuration[0].transaction_log_retention_days == 7
    error_message = "Not each moment of the last seven days can be put back."
  }

  assert {
    condition     = google_sql_database_instance.primary.settings[0].backup_configuration[0].location != var.region
    error_message = "The backups are in the region that they are a backup of."
  }

  assert {
    condition     = google_sql_database_instance.primary.settings[0].backup_configuration[0].backup_retention_settings[0].retained_backups >= 30
    error_message = "Fewer than 30 daily backups are kept."
  }

  assert {
    condition     = alltrue([for server in concat([google_sql_database_instance.primary], values(google_sql_database_instance.replica)) : server.settings[0].ip_configuration[0].ipv4_enabled == false && server.settings[0].ip_configuration[0].private_network == var.network.id && length(server.settings[0].ip_configuration[0].authorized_networks) == 0])
    error_message = "A server has a public address."
  }

  assert {
    condition     = alltrue([for server in concat([google_sql_database_instance.primary], values(google_sql_database_instance.replica)) : server.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY" && server.settings[0].ip_configuration[0].server_ca_mode == "GOOGLE_MANAGED_CAS_CA"])
    error_message = "A server takes connections without TLS, or its certificate isn't for its name."
  }

  assert {
    condition     = google_sql_database_instance.primary.encryption_key_name == "key-here" && alltrue([for replica in google_sql_database_instance.replica : replica.encryption_key_name == var.keys[replica.region]])
    error_message = "A server isn't encrypted by its region's own key."
  }

  assert {
    condition     = alltrue([for server in concat([google_sql_database_instance.primary], values(google_sql_database_instance.replica)) : server.deletion_protection && server.settings[0].deletion_protection_enabled])
    error_message = "A server can be deleted, by Terraform or in Google's console."
  }

  assert {
    condition     = google_sql_database_instance.primary.settings[0].insights_config[0].query_insights_enabled && !google_sql_database_instance.primary.settings[0].insights_config[0].record_client_address
    error_message = "Query insights are off, or keep people's addresses."
  }

  assert {
    condition     = length(google_sql_database_instance.primary.settings[0].maintenance_window) == 1
    error_message = "Maintenance comes whenever it likes."
  }

  assert {
    condition     = [for name, user in google_sql_user.user : name if contains(user.database_roles, "cloudsqlsuperuser")] == ["tincture_admin"]
    error_message = "Somebody besides the administrator may make roles."
  }

  assert {
    condition     = output.hosts["primary"] == "0123456789ab.fedcba987654.europe-west3.sql.goog"
    error_message = "The server's name isn't told as its certificate has it."
  }
}

run "a_replica_beside_the_primary_is_refused" {
  command = plan
  module {
    source = "../../modules/database/cloud_sql"
  }
  variables {
    replicas = { same = { region = "europe-west3", zone = "europe-west3-a" } }
  }
  expect_failures = [google_sql_database_instance.replica]
}

run "a_pair_in_one_zone_is_refused" {
  command = plan
  module {
    source = "../../modules/database/cloud_sql"
  }
  variables {
    zones = ["europe-west3-a"]
  }
  expect_failures = [google_sql_database_instance.primary]
}

run "words_that_google_does_not_know_are_refused" {
  command = plan
  module {
    source = "../../modules/database/cloud_sql"
  }
  variables {
    availability     = "REGIONALLY"
    tier             = "db-f1-micro"
    database_version = "POSTGRES_9_6"
  }
  expect_failures = [var.availability, var.tier, var.database_version]
}

run "who_is_of_no_role_is_refused" {
  command = plan
  module {
    source = "../../modules/database/cloud_sql"
  }
  variables {
    users     = { tincture_app = [] }
    passwords = { tincture_app = "c" }
  }
  expect_failures = [var.users]
}
