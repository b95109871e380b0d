# refused: Unsupported argument
resource "mongodbatlas_advanced_cluster" "a" {
  project_id        = "a"
  name              = "a"
  cluster_type      = "REPLICASET"
  replication_specs = [{ region_configs = [] }]
}
