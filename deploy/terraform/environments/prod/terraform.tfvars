# An institution's lab. Everything below `The institution's own` is to be replaced.
name                = "tincture-prod"
region              = "europe-west3"
zones               = ["europe-west3-a", "europe-west3-b", "europe-west3-c"]
backup_region       = "europe-west4"
deletion_protection = true

ranges = {
  nodes            = "10.20.0.0/22"
  pods             = "10.24.0.0/16"
  services         = "10.20.16.0/20"
  managed_services = "10.20.32.0/20"
  endpoints        = "10.20.4.0/26"
}
control_plane_range = "10.20.5.0/28"

node_pools = {
  general = { machine_type = "e2-standard-4", min = 1, max = 4 }
}

cloud_sql = {
  tier         = "db-custom-2-7680"
  availability = "REGIONAL"
  zones        = ["europe-west3-a", "europe-west3-b"]
  # One for reads, in the third zone; one for the day when the region is lost.
  replicas = {
    reads     = { region = "europe-west3", zone = "europe-west3-c" }
    elsewhere = { region = "europe-west4", zone = "europe-west4-a" }
  }
  reads_from = "reads"
  disk_gb    = 50
}

# ---- The institution's own

project         = "example-tincture-prod"
project_number  = "100000000002"
host            = "lab.example.org"
billing_account = "000000-000000-000000"
budget          = { amount = 1800, currency = "EUR" }
emails          = { page = "lab-alarm@example.org", ticket = "lab-it@example.org" }
atlas           = { org_id = "000000000000000000000000", instance_size = "M30", alarm_email = "lab-alarm@example.org" }
labs            = ["bench"]
