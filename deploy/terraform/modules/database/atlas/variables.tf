variable "project" {
  description = "The Google project's id, where the private endpoint is."
  type        = string
}

variable "name" {
  description = "What project and cluster are called, like `tincture-prod`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,21}[a-z0-9]$", var.name))
    error_message = "3 to 23 of a-z, 0-9 and -: of a cluster's name Atlas puts no more into its address."
  }
}

variable "org_id" {
  description = "Atlas' organization: 24 hexadecimal digits."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{24}$", var.org_id))
    error_message = "Atlas shows it under Organization Settings: 24 hexadecimal digits."
  }
}

variable "region" {
  description = "Google's region, as Google calls it."
  type        = string

  validation {
    condition     = contains(["europe-west1", "europe-west3", "europe-west4", "europe-north1", "us-central1", "us-east1", "us-east4", "us-west1", "asia-northeast1", "asia-southeast1"], var.region)
    error_message = "Add how Atlas calls this region to the list in modules/database/atlas/main.tf."
  }
}

variable "backup_region" {
  description = "Where copies of the backups lie: another region."
  type        = string

  validation {
    condition     = contains(["europe-west1", "europe-west3", "europe-west4", "europe-north1", "us-central1", "us-east1", "us-east4", "us-west1", "asia-northeast1", "asia-southeast1"], var.backup_region)
    error_message = "Add how Atlas calls this region to the list in modules/database/atlas/main.tf."
  }

  validation {
    condition     = var.backup_region != var.region
    error_message = "A copy in the same region is lost with it."
  }
}

variable "instance_size" {
  description = "Atlas' machine, M10 or larger: smaller ones have no private endpoint, no backup of each moment, no key of ours."
  type        = string

  validation {
    condition     = can(regex("^M([1-9][0-9]|[1-9][0-9]{2})$", var.instance_size))
    error_message = "M10 or larger."
  }
}

variable "network" {
  description = "Output `network` of the module networking."
  type        = object({ id = string, name = string, endpoint_subnet = string })
}

variable "key" {
  description = "The KMS key of the region."
  type        = string
}

variable "key_version" {
  description = "A version of it, `…/cryptoKeyVersions/1`: Atlas names one."
  type        = string
}

variable "passwords" {
  description = "Of `mongodb_app` and `mongodb_prometheus`."
  type        = map(string)
  sensitive   = true
}

variable "alarm_email" {
  description = "Whom Atlas tells."
  type        = string
}

variable "deletion_protection" {
  description = "Whether Atlas refuses to end the cluster."
  type        = bool
  default     = true
}

variable "labels" {
  description = "On the cluster, for the bill."
  type        = map(string)
  default     = {}
}
