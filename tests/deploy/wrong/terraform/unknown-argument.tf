# refused: Unsupported argument
resource "google_sql_database" "a" {
  name     = "a"
  instance = "b"
  charsets = "UTF8"
}
