variable "project" {
  description = "The Google project's id."
  type        = string
}

variable "project_number" {
  description = "The same project's number: its pods' and Google's own accounts are named by it."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{6,}$", var.project_number))
    error_message = "A project's number has digits alone (`gcloud projects describe PROJECT`)."
  }
}

variable "name" {
  description = "What everything is called, like `tincture-prod`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,16}[a-z0-9]$", var.name))
    error_message = "A name has 3 to 18 of a-z, 0-9 and -, and begins with a letter: accounts are called NAME-…, and may have 30."
  }
}

variable "region" {
  description = "Google's region; the control plane is in three of its zones."
  type        = string
}

variable "zones" {
  description = "Where nodes are. With two or more, the loss of one leaves the lab at work."
  type        = list(string)

  validation {
    condition     = length(var.zones) > 0 && length(distinct(var.zones)) == length(var.zones)
    error_message = "At least one zone, each once."
  }
}

variable "network" {
  description = "Output `network` of the module networking."
  type = object({
    id             = string
    node_subnet    = string
    pods_range     = string
    services_range = string
  })
}

variable "control_plane_range" {
  description = "A private /28 of its own for the control plane."
  type        = string

  validation {
    condition     = can(cidrhost(var.control_plane_range, 0)) && endswith(var.control_plane_range, "/28")
    error_message = "The control plane takes a /28, like 172.16.0.0/28."
  }
}

variable "administrators" {
  description = "Private networks from which the control plane's private address may be asked, by a name each. Not needed for the DNS name."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for range in values(var.administrators) : can(cidrhost(range, 0)) && range != "0.0.0.0/0"])
    error_message = "Networks like 10.0.0.0/8; 0.0.0.0/0 is everybody."
  }
}

variable "security_group" {
  description = "Google group `gke-security-groups@DOMAIN` whose members' groups may be named in RBAC; none when null."
  type        = string
  default     = null

  validation {
    condition     = var.security_group == null || startswith(coalesce(var.security_group, "x"), "gke-security-groups@")
    error_message = "Google wants that group to be called gke-security-groups@DOMAIN."
  }
}

variable "node_pools" {
  description = "Pools by name: nodes of each zone, their kind, and what alone may run there (a taint `only-for`), if anything."
  type = map(object({
    machine_type = string
    min          = number
    max          = number
    disk_gb      = optional(number, 50)
    only_for     = optional(string)
  }))

  validation {
    condition     = anytrue([for pool in values(var.node_pools) : pool.only_for == null])
    error_message = "At least one pool is for everything (without only_for): Google's own pods need a place."
  }

  validation {
    condition     = alltrue([for pool in values(var.node_pools) : pool.min >= 0 && pool.max >= pool.min && pool.max <= 100])
    error_message = "min is 0 or more, max at least min and at most 100."
  }
}

variable "release_channel" {
  description = "When GKE brings new versions: REGULAR or STABLE."
  type        = string
  default     = "STABLE"

  validation {
    condition     = contains(["REGULAR", "STABLE"], var.release_channel)
    error_message = "REGULAR or STABLE."
  }
}

variable "maintenance_days" {
  description = "Days on which GKE may change nodes, between 2 and 6 o'clock UTC. It wants 48 hours in 32 days."
  type        = list(string)
  default     = ["SA", "SU", "WE"]

  validation {
    condition     = length(var.maintenance_days) >= 3 && length(setsubtract(var.maintenance_days, ["MO", "TU", "WE", "TH", "FR", "SA", "SU"])) == 0
    error_message = "At least three of MO, TU, WE, TH, FR, SA, SU: four hours on fewer aren't 48 in 32 days."
  }
}

variable "namespace" {
  description = "Where deploy/kubernetes puts the lab."
  type        = string
  default     = "tincture"
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the cluster."
  type        = bool
  default     = true
}

variable "labels" {
  description = "On everything that can have them, for the bill."
  type        = map(string)
  default     = {}
}
