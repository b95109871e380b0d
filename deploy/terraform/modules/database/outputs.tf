output "hosts" {
  description = "Names of PostgreSQL's servers, as their certificates have them."
  value       = module.cloud_sql.hosts
}

output "address" {
  description = "The primary's private address, for the lab's gateway."
  value       = module.cloud_sql.address
}

output "certificate_authorities" {
  description = "PEM: who signs PostgreSQL's certificates; deploy/kubernetes wants it as overlays/…/database-ca.pem."
  value       = module.cloud_sql.certificate_authorities
}

output "secrets" {
  description = "Names in Secret Manager that deploy/kubernetes mounts."
  value       = module.security.secrets
}

output "exports" {
  description = "The bucket with the nightly exports."
  value       = module.backup.bucket
}
