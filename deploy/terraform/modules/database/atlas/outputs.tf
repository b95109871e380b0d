output "host" {
  description = "The cluster's private name, without user and password, as after `mongodb+srv://`."
  value       = trimprefix(mongodbatlas_advanced_cluster.lab.connection_strings[0].private_endpoint[0].srv_connection_string, "mongodb+srv://")
}

output "project_id" {
  description = "Atlas' project."
  value       = mongodbatlas_project.lab.id
}
