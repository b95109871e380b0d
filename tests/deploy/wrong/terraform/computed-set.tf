# refused: Value for unconfigurable attribute
resource "google_compute_network" "a" {
  name      = "a"
  self_link = "b"
}
