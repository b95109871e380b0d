# What is promised of MongoDB.
mock_provider "google" {}
mock_provider "random" {}
mock_provider "mongodbatlas" {
  mock_resource "mongodbatlas_cloud_provider_access_setup" {
    defaults = { gcp_config = [{ service_account_for_atlas = "atlas@p.iam.gserviceaccount.com", status = "COMPLETE" }] }
  }
  mock_resource "mongodbatlas_privatelink_endpoint" {
    defaults = { service_attachment_names = ["a0", "a1", "a2", "a3"] }
  }
  mock_resource "mongodbatlas_advanced_cluster" {
    defaults = { connection_strings = [{ private = "", private_srv = "", standard = "", standard_srv = "", private_endpoint = [{ connection_string = "", srv_connection_string = "mongodb+srv://lab-pl-0.example.mongodb.net", srv_shard_optimized_connection_string = "", type = "MONGOD", endpoints = [] }] }] }
  }
}

variables {
  network       = { id = "projects/p/global/networks/n", name = "n", node_subnet = "s", pods_range = "pods", services_range = "services", endpoint_subnet = "e", managed_services_range = "m" }
  org_id        = var.atlas.org_id
  instance_size = var.atlas.instance_size
  alarm_email   = var.atlas.alarm_email
  key           = "projects/p/locations/r/keyRings/k/cryptoKeys/data"
  key_version   = "projects/p/locations/r/keyRings/k/cryptoKeys/data/cryptoKeyVersions/1"
  passwords     = { mongodb_app = "a", mongodb_prometheus = "b" }
}

run "promises" {
  command = apply

  module {
    source = "../../modules/database/atlas"
  }

  assert {
    condition     = mongodbatlas_advanced_cluster.lab.cluster_type == "REPLICASET" && sum([for region in mongodbatlas_advanced_cluster.lab.replication_specs[0].region_configs : region.electable_specs[0].node_count]) == 3
    error_message = "Not a replica set of three nodes."
  }

  assert {
    condition     = length(google_compute_forwarding_rule.endpoint) > 3 && alltrue([for address in google_compute_address.endpoint : address.address_type == "INTERNAL"])
    error_message = "Not every node has a private endpoint, or one is public."
  }

  assert {
    condition     = mongodbatlas_advanced_cluster.lab.backup_enabled && mongodbatlas_advanced_cluster.lab.pit_enabled && mongodbatlas_cloud_backup_schedule.lab.restore_window_days >= 7
    error_message = "Not each moment of the last seven days can be put back."
  }

  assert {
    condition     = alltrue([for copy in mongodbatlas_cloud_backup_schedule.lab.copy_settings : copy.region_name != mongodbatlas_advanced_cluster.lab.replication_specs[0].region_configs[0].region_name && copy.should_copy_oplogs]) && length(mongodbatlas_cloud_backup_schedule.lab.copy_settings) > 0
    error_message = "No copy of the backups in another region."
  }

  assert {
    condition     = [for role in mongodbatlas_database_user.application.roles : "${role.role_name}@${role.database_name}"] == ["readWrite@tincture"] && length(mongodbatlas_database_user.application.scopes) == 1
    error_message = "The application may do more than read and write its one database on its one cluster."
  }

  assert {
    condition     = mongodbatlas_advanced_cluster.lab.encryption_at_rest_provider == "GCP" && one(mongodbatlas_encryption_at_rest.lab.google_cloud_kms_config[*].enabled)
    error_message = "Disks aren't encrypted by our key."
  }

  assert {
    condition     = mongodbatlas_advanced_cluster.lab.termination_protection_enabled && mongodbatlas_advanced_cluster.lab.retain_backups_enabled
    error_message = "The cluster can be ended, or takes its backups along."
  }

  assert {
    condition     = mongodbatlas_third_party_integration.prometheus.type == "PROMETHEUS"
    error_message = "Prometheus isn't told."
  }

  assert {
    condition     = output.host == "lab-pl-0.example.mongodb.net"
    error_message = "The lab isn't told the private name."
  }
}

run "a_shared_machine_is_refused" {
  command = plan
  module {
    source = "../../modules/database/atlas"
  }
  variables {
    instance_size = "M0"
  }
  expect_failures = [var.instance_size]
}

run "copies_in_the_same_region_are_refused" {
  command = plan
  module {
    source = "../../modules/database/atlas"
  }
  variables {
    backup_region = "europe-west3"
  }
  expect_failures = [var.backup_region]
}
