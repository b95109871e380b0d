variable "project" {
  description = "The Google project's id."
  type        = string
}

variable "name" {
  description = "What everything is called, like `tincture-prod`."
  type        = string
}

variable "region" {
  description = "Where the database is."
  type        = string
}

variable "backup_region" {
  description = "Where its exports lie: another region."
  type        = string

  validation {
    condition     = var.backup_region != var.region
    error_message = "An export in the same region is lost with it."
  }
}

variable "key" {
  description = "The KMS key of that other region."
  type        = string
}

variable "instance" {
  description = "The primary's name."
  type        = string
}

variable "server_account" {
  description = "As whom it writes exports."
  type        = string
}

variable "network" {
  description = "Output `network` of the module networking."
  type        = object({ managed_services_range = string })
}

variable "export_days" {
  description = "How long an export is kept; until then nobody can remove it."
  type        = number
  default     = 35

  validation {
    condition     = var.export_days >= 7 && var.export_days <= 3650
    error_message = "7 to 3650 days."
  }
}

variable "export_schedule" {
  description = "When, as cron has it, UTC."
  type        = string
  default     = "30 2 * * *"
}

variable "drill_schedule" {
  description = "When the restore is rehearsed, as cron has it, UTC; at least weekly, since its absence for 8 days is an alarm."
  type        = string
  default     = "0 4 * * 3"

  validation {
    condition     = can(regex("^\\S+ \\S+ \\* \\* \\S+$", var.drill_schedule))
    error_message = "Five fields, on a day of the week or each day: `0 4 * * 3`; what comes once a month is too late for the alarm."
  }
}

variable "channels" {
  description = "Output `channels` of the module monitoring."
  type        = object({ page = list(string), ticket = list(string) })
}

variable "labels" {
  description = "On everything that can have them, for the bill."
  type        = map(string)
  default     = {}
}
