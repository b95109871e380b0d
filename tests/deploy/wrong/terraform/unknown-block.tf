# refused: Unsupported block type
resource "google_compute_network" "a" {
  name = "a"
  subnets {}
}
