# refused: does not support resource type
resource "google_sql_databse_instance" "a" {}
