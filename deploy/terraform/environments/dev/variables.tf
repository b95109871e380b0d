variable "project" {
  description = "The Google project's id; it exists, with billing."
  type        = string
}

variable "project_number" {
  description = "The same project's number."
  type        = string
}

variable "name" {
  description = "What everything is called."
  type        = string
}

variable "region" {
  description = "Google's region."
  type        = string
}

variable "zones" {
  description = "Its zones for nodes; the gateway is in the first."
  type        = list(string)
}

variable "backup_region" {
  description = "Where backups lie: another region."
  type        = string
}

variable "ranges" {
  description = "Private networks, as in modules/networking; deploy/kubernetes' network policies name them too."
  type        = object({ nodes = string, pods = string, services = string, managed_services = string, endpoints = string })
}

variable "control_plane_range" {
  description = "A private /28 of its own for the control plane."
  type        = string
}

variable "administrators" {
  description = "Private networks from which the control plane may be asked by its address."
  type        = map(string)
  default     = {}
}

variable "node_pools" {
  description = "As in modules/kubernetes."
  type = map(object({
    machine_type = string
    min          = number
    max          = number
    disk_gb      = optional(number, 50)
    only_for     = optional(string)
  }))
}

variable "host" {
  description = "The name that people's browsers know."
  type        = string
}

variable "emails" {
  description = "Who is told: `page` at night too, `ticket` within the day."
  type        = map(string)
}

variable "billing_account" {
  description = "The billing account's id."
  type        = string
}

variable "budget" {
  description = "What a month may cost before somebody is told."
  type        = object({ amount = number, currency = string })
}

variable "cloud_sql" {
  description = "As in modules/database."
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
}

variable "atlas" {
  description = "As in modules/database; null where raw readings stay in PostgreSQL."
  type        = object({ org_id = string, instance_size = string, alarm_email = string, key_version = optional(number, 1) })
  default     = null
}

variable "labs" {
  description = "Labs whose workers stand at their own edge and come in through the gateway."
  type        = set(string)
  default     = []
}

variable "deletion_protection" {
  description = "Whether servers, clusters and secrets can't be deleted."
  type        = bool
}
