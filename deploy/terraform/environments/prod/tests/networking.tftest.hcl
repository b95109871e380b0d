# What is promised of the network.
mock_provider "google" {}

run "promises" {
  command = apply

  module {
    source = "../../modules/networking"
  }

  assert {
    condition     = alltrue([for subnet in [google_compute_subnetwork.nodes, google_compute_subnetwork.endpoints] : subnet.private_ip_google_access && length(subnet.log_config) == 1])
    error_message = "A subnet can't reach Google privately, or isn't logged."
  }

  assert {
    condition     = google_compute_network.lab.auto_create_subnetworks == false && google_compute_router_nat.lab.source_subnetwork_ip_ranges_to_nat == "LIST_OF_SUBNETWORKS"
    error_message = "There are subnets, or ways out, that nobody asked for."
  }

  assert {
    condition     = google_compute_global_address.managed_services.address_type == "INTERNAL" && google_service_networking_connection.managed_services.reserved_peering_ranges == tolist([google_compute_global_address.managed_services.name])
    error_message = "Cloud SQL has no private end here."
  }

  assert {
    condition     = google_compute_ssl_policy.modern.min_tls_version == "TLS_1_2"
    error_message = "Browsers may come with old TLS."
  }

  assert {
    condition     = anytrue([for rule in google_compute_security_policy.ingress.rule : rule.action == "deny(403)" && try(strcontains(rule.match[0].expr[0].expression, "/metrics"), false)]) && anytrue([for rule in google_compute_security_policy.ingress.rule : rule.action == "throttle"])
    error_message = "The lab's figures are public, or nothing holds a flood."
  }
}

run "a_gateway_is_reached_through_identity_aware_proxy_alone" {
  command = apply

  module {
    source = "../../modules/networking/lab_gateway"
  }

  variables {
    zone             = "europe-west3-a"
    network          = "n"
    subnet           = "s"
    database_address = "10.20.32.3"
    disk_key         = "k"
    labs             = ["bench"]
  }

  assert {
    condition     = length(google_compute_instance.gateway.network_interface[0].access_config) == 0
    error_message = "The gateway has a public address."
  }

  assert {
    condition     = google_compute_firewall.gateway.source_ranges == toset(["35.235.240.0/20"]) && flatten([for rule in google_compute_firewall.gateway.allow : rule.ports]) == ["5432"]
    error_message = "Others than Google's proxy may ask the gateway, or for more than PostgreSQL."
  }

  assert {
    condition     = keys(google_iap_tunnel_instance_iam_member.lab) == ["bench"] && google_iap_tunnel_instance_iam_member.lab["bench"].condition[0].expression == "destination.port == 5432"
    error_message = "A lab may open more than the one tunnel."
  }
}

run "public_networks_are_refused" {
  command = plan
  module {
    source = "../../modules/networking"
  }
  variables {
    ranges = { nodes = "8.8.0.0/22", pods = "10.24.0.0/16", services = "10.20.16.0/20", managed_services = "10.20.32.0/28", endpoints = "10.20.4.9/26" }
  }
  expect_failures = [var.ranges]
}

run "a_zone_is_no_region" {
  command = plan
  module {
    source = "../../modules/networking"
  }
  variables {
    region = "europe-west3-a"
  }
  expect_failures = [var.region]
}
