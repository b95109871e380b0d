output "channels" {
  description = "Whom the database's own alerts tell: `page` and `ticket`."
  value       = { page = local.page, ticket = local.ticket }
}

output "alerts" {
  description = "Names of the alerts that came from deploy/prometheus."
  value       = keys(local.alerts)
}
