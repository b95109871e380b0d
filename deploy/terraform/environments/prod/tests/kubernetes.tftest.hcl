# What is promised of the cluster.
mock_provider "google" {}

variables {
  network = { id = "projects/p/global/networks/n", name = "n", node_subnet = "s", pods_range = "pods", services_range = "services", endpoint_subnet = "e", managed_services_range = "m" }
}

run "promises" {
  command = plan

  module {
    source = "../../modules/kubernetes"
  }

  assert {
    condition     = google_container_cluster.lab.private_cluster_config[0].enable_private_nodes && google_container_cluster.lab.private_cluster_config[0].enable_private_endpoint
    error_message = "Nodes or control plane have public addresses."
  }

  assert {
    condition     = google_container_cluster.lab.workload_identity_config[0].workload_pool == "${var.project}.svc.id.goog" && alltrue([for pool in google_container_node_pool.pool : pool.node_config[0].workload_metadata_config[0].mode == "GKE_METADATA"])
    error_message = "Pods have the nodes' identity instead of their own."
  }

  assert {
    condition     = google_container_cluster.lab.datapath_provider == "ADVANCED_DATAPATH"
    error_message = "Network policies would be believed and not enforced."
  }

  assert {
    condition     = length(google_container_cluster.lab.node_locations) >= 3 && alltrue([for pool in google_container_node_pool.pool : pool.initial_node_count >= 1 || pool.autoscaling[0].min_node_count == 0])
    error_message = "A zone's loss would be the lab's."
  }

  assert {
    condition     = alltrue([for pool in google_container_node_pool.pool : pool.node_config[0].shielded_instance_config[0].enable_secure_boot && pool.management[0].auto_repair && pool.upgrade_settings[0].max_unavailable == 0])
    error_message = "Nodes aren't shielded, not repaired, or upgraded by taking one away first."
  }

  assert {
    condition     = google_container_cluster.lab.database_encryption[0].state == "ENCRYPTED" && google_container_cluster.lab.secret_manager_config[0].enabled
    error_message = "Secrets aren't encrypted by our key, or don't come from Secret Manager."
  }

  assert {
    condition     = google_container_cluster.lab.monitoring_config[0].managed_prometheus[0].enabled
    error_message = "Managed Prometheus is off."
  }

  assert {
    condition     = google_container_cluster.lab.deletion_protection && google_artifact_registry_repository.images.docker_config[0].immutable_tags
    error_message = "The cluster can be deleted, or a tag of the image can be moved."
  }

  assert {
    condition     = !anytrue([for grant in google_project_iam_member.nodes : can(regex("editor|owner|admin", grant.role))])
    error_message = "Nodes may do more than tell of themselves."
  }

  assert {
    condition     = output.workloads["api"] == "principal://iam.googleapis.com/projects/${var.project_number}/locations/global/workloadIdentityPools/${var.project}.svc.id.goog/subject/ns/tincture/sa/api"
    error_message = "The API's pod isn't who Google's IAM takes it for."
  }
}

run "a_control_plane_that_everybody_may_ask_is_refused" {
  command = plan
  module {
    source = "../../modules/kubernetes"
  }
  variables {
    administrators = { everybody = "0.0.0.0/0" }
  }
  expect_failures = [var.administrators]
}

run "a_range_that_is_no_28_is_refused" {
  command = plan
  module {
    source = "../../modules/kubernetes"
  }
  variables {
    control_plane_range = "10.20.5.0/24"
  }
  expect_failures = [var.control_plane_range]
}
