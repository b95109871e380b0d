# refused: Unsupported argument
resource "google_sql_database_instance" "a" {
  database_version = "POSTGRES_15"
  settings         = { tier = "db-custom-1-3840" }
}
