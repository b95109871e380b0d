output "network" {
  description = "What the other modules build in."
  value = {
    id              = google_compute_network.lab.id
    name            = google_compute_network.lab.name
    node_subnet     = google_compute_subnetwork.nodes.id
    pods_range      = google_compute_subnetwork.nodes.secondary_ip_range[0].range_name
    services_range  = google_compute_subnetwork.nodes.secondary_ip_range[1].range_name
    endpoint_subnet = google_compute_subnetwork.endpoints.id
    # Through the connection, so that nothing asks for an address in the peering before it is there.
    managed_services_range = one(google_service_networking_connection.managed_services.reserved_peering_ranges)
  }
}

output "ingress" {
  description = "What deploy/kubernetes names: the address for DNS, and the names of address, filter and TLS policy."
  value = {
    address         = google_compute_global_address.ingress.address
    address_name    = google_compute_global_address.ingress.name
    security_policy = google_compute_security_policy.ingress.name
    ssl_policy      = google_compute_ssl_policy.modern.name
  }
}
