# One lab: networking, kubernetes and monitoring, and the data on top of them. What differs between dev and prod is in terraform.tfvars.

locals {
  labels = { lab = var.name, managed-by = "terraform" }
  deploy = "${path.module}/../../.."
  # What is asked of Google, switched on in the project.
  services = [
    "artifactregistry", "binaryauthorization", "cloudkms", "cloudresourcemanager", "cloudscheduler", "compute", "container",
    "containersecurity", "dns", "iam", "iamcredentials", "iap", "logging", "monitoring", "secretmanager", "servicenetworking",
    "sqladmin", "storage", "workflows", "workflowexecutions", "billingbudgets",
  ]
}

provider "google" {
  project = var.project
  region  = var.region
  # What a budget costs is asked in the project's name.
  billing_project       = var.project
  user_project_override = true
  default_labels        = local.labels
}

# Its API key: MONGODB_ATLAS_PUBLIC_KEY and MONGODB_ATLAS_PRIVATE_KEY in the environment.
provider "mongodbatlas" {}

resource "google_project_service" "used" {
  for_each           = toset(local.services)
  project            = var.project
  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false
}

module "networking" {
  source = "../../modules/networking"

  project = var.project
  name    = var.name
  region  = var.region
  ranges  = var.ranges

  depends_on = [google_project_service.used]
}

module "kubernetes" {
  source = "../../modules/kubernetes"

  project             = var.project
  project_number      = var.project_number
  name                = var.name
  region              = var.region
  zones               = var.zones
  network             = module.networking.network
  control_plane_range = var.control_plane_range
  administrators      = var.administrators
  node_pools          = var.node_pools
  deletion_protection = var.deletion_protection
  labels              = local.labels

  depends_on = [google_project_service.used]
}

module "monitoring" {
  source = "../../modules/monitoring"

  project         = var.project
  project_number  = var.project_number
  name            = var.name
  sources         = local.deploy
  host            = var.host
  emails          = var.emails
  billing_account = var.billing_account
  budget          = var.budget

  depends_on = [google_project_service.used]
}

module "database" {
  source = "../../modules/database"

  project             = var.project
  project_number      = var.project_number
  name                = var.name
  region              = var.region
  backup_region       = var.backup_region
  network             = module.networking.network
  workloads           = module.kubernetes.workloads
  channels            = module.monitoring.channels
  cloud_sql           = var.cloud_sql
  atlas               = var.atlas
  deletion_protection = var.deletion_protection
  labels              = local.labels

  depends_on = [google_project_service.used]
}

module "lab_gateway" {
  source = "../../modules/networking/lab_gateway"
  count  = length(var.labs) > 0 ? 1 : 0

  project          = var.project
  name             = var.name
  zone             = var.zones[0]
  network          = module.networking.network.id
  subnet           = module.networking.network.node_subnet
  database_address = module.database.address
  disk_key         = module.kubernetes.disk_key
  labs             = var.labs
}
