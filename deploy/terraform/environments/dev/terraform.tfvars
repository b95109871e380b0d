# For trying things out: one server of each, small, and nothing that can't be deleted. Everything below `The institution's own` is to be
# replaced.
name                = "tincture-dev"
region              = "europe-west3"
zones               = ["europe-west3-a"]
backup_region       = "europe-west4"
deletion_protection = false

ranges = {
  nodes            = "10.30.0.0/22"
  pods             = "10.32.0.0/16"
  services         = "10.30.16.0/20"
  managed_services = "10.30.32.0/20"
  endpoints        = "10.30.4.0/26"
}
control_plane_range = "10.30.5.0/28"

node_pools = {
  general = { machine_type = "e2-standard-2", min = 1, max = 3 }
}

cloud_sql = {
  tier         = "db-custom-1-3840"
  availability = "ZONAL"
  zones        = ["europe-west3-a"]
  replicas     = {}
  disk_gb      = 10
  backups_kept = 7
}

# ---- The institution's own

project         = "example-tincture-dev"
project_number  = "100000000001"
host            = "dev.lab.example.org"
billing_account = "000000-000000-000000"
budget          = { amount = 300, currency = "EUR" }
emails          = { page = "lab-dev@example.org", ticket = "lab-dev@example.org" }
atlas           = { org_id = "000000000000000000000000", instance_size = "M10", alarm_email = "lab-dev@example.org" }
