output "instance" {
  description = "The primary's name."
  value       = google_sql_database_instance.primary.name
}

output "service_account" {
  description = "As whom it writes exports."
  value       = google_sql_database_instance.primary.service_account_email_address
}

output "hosts" {
  description = "The name of each server, as its certificate has it: `primary`, and each replica's."
  value       = { for server, record in google_dns_record_set.server : server => trimsuffix(record.name, ".") }
}

output "address" {
  description = "The primary's private address."
  value       = google_sql_database_instance.primary.private_ip_address
}

output "certificate_authorities" {
  description = "PEM: who signs the servers' certificates."
  value       = join("\n", distinct([for server in values(local.servers) : server.server_ca_cert[0].cert]))
}
