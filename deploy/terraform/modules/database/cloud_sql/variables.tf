variable "project" {
  description = "The Google project's id."
  type        = string
}

variable "name" {
  description = "The server's name. Google keeps a deleted one for a week."
  type        = string
}

variable "region" {
  description = "Google's region."
  type        = string
}

variable "zones" {
  description = "Of that region: the primary's, and its standby's."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 1 && length(distinct(var.zones)) == length(var.zones) && alltrue([for zone in var.zones : can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", zone))])
    error_message = "One or two different zones like europe-west3-a."
  }
}

variable "network" {
  description = "Output `network` of the module networking."
  type        = object({ id = string, managed_services_range = string })
}

variable "database_version" {
  description = "15 is what the lab's own tests run on; later ones are PostgreSQL's promise."
  type        = string
  default     = "POSTGRES_15"

  validation {
    condition     = can(regex("^POSTGRES_1[5-9]$", var.database_version))
    error_message = "POSTGRES_15 or later."
  }
}

variable "tier" {
  description = "The machine, `db-custom-CPUS-MEBIBYTES`."
  type        = string

  validation {
    condition     = can(regex("^db-custom-[0-9]+-[0-9]+$", var.tier))
    error_message = "A machine of its own, like db-custom-2-7680: shared ones have no service level."
  }
}

variable "availability" {
  description = "REGIONAL is a pair in two zones; ZONAL one server, for what may be away."
  type        = string

  validation {
    condition     = contains(["REGIONAL", "ZONAL"], var.availability)
    error_message = "REGIONAL or ZONAL."
  }
}

variable "replicas" {
  description = "For reads and for the day when a region is lost, by name. Each in another zone than the primary, or another region."
  type        = map(object({ region = string, zone = string, tier = optional(string) }))

  validation {
    condition     = alltrue([for replica in values(var.replicas) : startswith(replica.zone, "${replica.region}-")])
    error_message = "A replica's zone is one of its region."
  }
}

variable "max_connections" {
  description = "At least what all processes may have at once, with a rolling update's second set (docs/postgresql.md)."
  type        = number
  default     = 200

  validation {
    condition     = var.max_connections >= 50 && var.max_connections <= 2000
    error_message = "50 to 2000."
  }
}

variable "disk_gb" {
  description = "At first; it grows by itself."
  type        = number
  default     = 20

  validation {
    condition     = var.disk_gb >= 10
    error_message = "At least 10 GB."
  }
}

variable "disk_limit_gb" {
  description = "How far it grows."
  type        = number
  default     = 500
}

variable "backup_region" {
  description = "Where Google keeps the daily backups: another region than the server's."
  type        = string
}

variable "backups_kept" {
  description = "How many daily ones."
  type        = number
  default     = 30

  validation {
    condition     = var.backups_kept >= 7 && var.backups_kept <= 365
    error_message = "7 to 365."
  }
}

variable "log_days" {
  description = "Days of which each moment can be put back, 1 to 7."
  type        = number
  default     = 7

  validation {
    condition     = var.log_days >= 1 && var.log_days <= 7
    error_message = "1 to 7: the edition ENTERPRISE keeps no more."
  }
}

variable "keys" {
  description = "The KMS key of each region."
  type        = map(string)
}

variable "users" {
  description = "Users, and of which of PostgreSQL's roles each is a member: at least one, since Google takes none for its own, which may make roles."
  type        = map(list(string))

  validation {
    condition     = alltrue([for roles in values(var.users) : length(roles) > 0])
    error_message = "Whoever is of no role becomes a member of cloudsqlsuperuser: name one, like pg_read_all_settings."
  }
}

variable "passwords" {
  description = "Of each of them."
  type        = map(string)
  sensitive   = true
}

variable "other_databases" {
  description = "Databases beside the lab's, like Prefect's."
  type        = set(string)
  default     = []
}

variable "channels" {
  description = "Output `channels` of the module monitoring."
  type        = object({ page = list(string), ticket = list(string) })
}

variable "deletion_protection" {
  description = "Whether Terraform, and Google itself, refuse to delete the servers."
  type        = bool
  default     = true
}

variable "labels" {
  description = "On everything that can have them, for the bill."
  type        = map(string)
  default     = {}
}
