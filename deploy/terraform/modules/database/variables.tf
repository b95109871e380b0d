variable "project" {
  description = "The Google project's id."
  type        = string
}

variable "project_number" {
  description = "The same project's number."
  type        = string
}

variable "name" {
  description = "What everything is called, like `tincture-prod`."
  type        = string
}

variable "region" {
  description = "Google's region."
  type        = string
}

variable "backup_region" {
  description = "Where backups lie: another region."
  type        = string

  validation {
    condition     = var.backup_region != var.region
    error_message = "A backup in the same region is lost with it."
  }
}

variable "network" {
  description = "Output `network` of the module networking."
  type        = object({ id = string, name = string, endpoint_subnet = string, managed_services_range = string })
}

variable "workloads" {
  description = "Output `workloads` of the module kubernetes."
  type        = map(string)
}

variable "channels" {
  description = "Output `channels` of the module monitoring."
  type        = object({ page = list(string), ticket = list(string) })
}

variable "cloud_sql" {
  description = "The servers of PostgreSQL; `reads_from` names the replica that answers what needn't be the newest, if one does."
  type = object({
    tier            = string
    availability    = string
    zones           = list(string)
    replicas        = map(object({ region = string, zone = string, tier = optional(string) }))
    reads_from      = optional(string)
    disk_gb         = optional(number, 20)
    disk_limit_gb   = optional(number, 500)
    max_connections = optional(number, 200)
    backups_kept    = optional(number, 30)
  })

  validation {
    condition     = var.cloud_sql.reads_from == null || contains(keys(var.cloud_sql.replicas), coalesce(var.cloud_sql.reads_from, "-"))
    error_message = "reads_from is the name of one of the replicas."
  }
}

variable "atlas" {
  description = "MongoDB; null where raw readings stay in PostgreSQL. `key_version` is the version of the region's key that Atlas is told."
  type        = object({ org_id = string, instance_size = string, alarm_email = string, key_version = optional(number, 1) })
}

variable "export_days" {
  description = "How long an export is kept; until then nobody can remove it."
  type        = number
  default     = 35
}

variable "deletion_protection" {
  description = "Whether servers, cluster and secrets can't be deleted."
  type        = bool
  default     = true
}

variable "labels" {
  description = "On everything that can have them, for the bill."
  type        = map(string)
  default     = {}
}
