# refused: Cycle
resource "google_compute_network" "a" { name = google_compute_network.b.name }
resource "google_compute_network" "b" { name = google_compute_network.a.name }
