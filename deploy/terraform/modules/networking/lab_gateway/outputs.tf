output "instance" {
  description = "What `gcloud compute start-iap-tunnel` is told."
  value       = { name = google_compute_instance.gateway.name, zone = google_compute_instance.gateway.zone, port = local.port }
}

output "accounts" {
  description = "The identity of each lab, by its name."
  value       = { for lab, account in google_service_account.lab : lab => account.email }
}
