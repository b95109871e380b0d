# refused: Missing required argument
resource "google_sql_database" "a" { name = "a" }
