output "cluster" {
  description = "How the cluster is called; `gcloud container clusters get-credentials NAME --location REGION --dns-endpoint` asks for the rest."
  value       = { name = google_container_cluster.lab.name, location = google_container_cluster.lab.location }
}

output "workloads" {
  description = "Each pod's account in deploy/kubernetes, as Google's IAM knows it."
  value       = { for account in ["api", "worker", "migrate", "roles", "postgres-exporter", "prefect"] : account => "${local.pool}/ns/${var.namespace}/sa/${account}" }
}

output "image_repository" {
  description = "Where the lab's image is pushed: the id of the repository."
  value       = google_artifact_registry_repository.images.id
}

output "disk_key" {
  description = "The KMS key of nodes' disks, for machines beside them."
  value       = google_kms_crypto_key.cluster.id
}
