output "keys" {
  description = "The key of each region, once those may use it who must."
  value       = { for region, key in google_kms_crypto_key.data : region => key.id }
  depends_on  = [google_kms_crypto_key_iam_member.agent]
}

output "passwords" {
  description = "Of each user."
  value       = { for user, password in random_password.database : user => password.result }
  sensitive   = true
}

output "secrets" {
  description = "Names in Secret Manager that deploy/kubernetes mounts."
  value       = { for file, secret in google_secret_manager_secret.file : file => secret.secret_id }
}
