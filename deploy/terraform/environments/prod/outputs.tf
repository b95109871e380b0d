output "ingress" {
  description = "Point the lab's name at this address; deploy/kubernetes names the rest."
  value       = module.networking.ingress
}

output "cluster" {
  description = "gcloud container clusters get-credentials NAME --location LOCATION --dns-endpoint"
  value       = module.kubernetes.cluster
}

output "image_repository" {
  description = "Where the lab's image is pushed."
  value       = module.kubernetes.image_repository
}

output "database" {
  description = "PostgreSQL's names, who signs its certificates, the files in Secret Manager, the bucket with the exports."
  value       = module.database
}

output "lab_gateway" {
  description = "What a lab's worker opens its tunnel to, and as whom."
  value       = one(module.lab_gateway[*])
}
