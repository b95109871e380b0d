# refused: Reference to undeclared resource
resource "google_sql_database" "a" {
  name     = "a"
  instance = google_sql_database_instance.primary.name
}
