# The lab's own network: private subnets, a way out (NAT) and none in but the load balancer's, and the private ends of what Google
# (Cloud SQL) and MongoDB (Atlas) run.

resource "google_compute_network" "lab" {
  project                         = var.project
  name                            = var.name
  auto_create_subnetworks         = false
  routing_mode                    = "GLOBAL"
  delete_default_routes_on_create = false
}

resource "google_compute_subnetwork" "nodes" {
  project                  = var.project
  name                     = "${var.name}-nodes"
  network                  = google_compute_network.lab.id
  region                   = var.region
  ip_cidr_range            = var.ranges.nodes
  private_ip_google_access = true
  stack_type               = "IPV4_ONLY"

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = var.ranges.pods
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = var.ranges.services
  }

  log_config {
    aggregation_interval = "INTERVAL_5_SEC"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Where Atlas is reached: an address of ours for each of its endpoints, and nothing else.
resource "google_compute_subnetwork" "endpoints" {
  project                  = var.project
  name                     = "${var.name}-endpoints"
  network                  = google_compute_network.lab.id
  region                   = var.region
  ip_cidr_range            = var.ranges.endpoints
  private_ip_google_access = true
  stack_type               = "IPV4_ONLY"

  log_config {
    aggregation_interval = "INTERVAL_5_SEC"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# ---- the way out

resource "google_compute_router" "lab" {
  project = var.project
  name    = var.name
  network = google_compute_network.lab.id
  region  = var.region
}

resource "google_compute_router_nat" "lab" {
  project                            = var.project
  name                               = var.name
  router                             = google_compute_router.lab.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.nodes.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# ---- Cloud SQL's end (private service access)

resource "google_compute_global_address" "managed_services" {
  project       = var.project
  name          = "${var.name}-managed-services"
  network       = google_compute_network.lab.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = cidrhost(var.ranges.managed_services, 0)
  prefix_length = tonumber(split("/", var.ranges.managed_services)[1])
}

resource "google_service_networking_connection" "managed_services" {
  network                 = google_compute_network.lab.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.managed_services.name]
}

# ---- the way in: one address, behind a filter

resource "google_compute_global_address" "ingress" {
  project = var.project
  name    = "${var.name}-ingress"
}

resource "google_compute_ssl_policy" "modern" {
  project         = var.project
  name            = "${var.name}-modern"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

# One address may hold many people (a university's), so the limit is against floods; the lab itself limits by person.
resource "google_compute_security_policy" "ingress" {
  project     = var.project
  name        = "${var.name}-ingress"
  description = "What the load balancer lets through to the lab"

  rule {
    action      = "deny(403)"
    priority    = 1000
    description = "Figures are Prometheus', which asks the pods themselves"
    match {
      expr {
        expression = "request.path.lower().startsWith('/metrics')"
      }
    }
  }

  rule {
    action      = "deny(403)"
    priority    = 1100
    description = "Log4j's look-ups (CVE-2021-44228); nothing here runs Java"
    match {
      expr {
        expression = "evaluatePreconfiguredWaf('cve-canary', {'sensitivity': 1})"
      }
    }
  }

  rule {
    action      = "throttle"
    priority    = 2000
    description = "Floods from one address"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"
      rate_limit_threshold {
        count        = var.requests_per_minute
        interval_sec = 60
      }
    }
  }

  rule {
    action      = "allow"
    priority    = 2147483647
    description = "Everybody else"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}
