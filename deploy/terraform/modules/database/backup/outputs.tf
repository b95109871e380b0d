output "bucket" {
  description = "Where the exports lie."
  value       = google_storage_bucket.exports.name
}
