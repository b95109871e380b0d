# refused: Incorrect attribute value type
resource "google_compute_network" "a" {
  name                    = "a"
  auto_create_subnetworks = [1]
}
