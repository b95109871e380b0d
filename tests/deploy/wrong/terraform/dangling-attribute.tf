# refused: Unsupported attribute
resource "google_compute_network" "a" { name = "a" }
output "b" { value = google_compute_network.a.address }
