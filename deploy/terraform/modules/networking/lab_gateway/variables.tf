variable "project" {
  description = "The Google project's id."
  type        = string
}

variable "name" {
  description = "What everything is called, like `tincture-prod`."
  type        = string

  validation {
    condition     = length(var.name) <= 18
    error_message = "At most 18 characters: accounts are called NAME-LAB, and may have 30."
  }
}

variable "zone" {
  description = "Google's zone of the gateway, like `europe-west3-a`."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", var.zone))
    error_message = "A zone looks like europe-west3-a."
  }
}

variable "network" {
  description = "The network's id."
  type        = string
}

variable "subnet" {
  description = "The subnet's id that the gateway stands in."
  type        = string
}

variable "database_address" {
  description = "PostgreSQL's private address."
  type        = string
}

variable "disk_key" {
  description = "The KMS key's id that the gateway's disk is encrypted by."
  type        = string
}

variable "labs" {
  description = "Names of the labs whose workers come in through it, one identity each."
  type        = set(string)

  validation {
    condition     = alltrue([for lab in var.labs : can(regex("^[a-z][a-z0-9-]{1,9}[a-z0-9]$", lab))])
    error_message = "A lab's name has 3 to 11 of a-z, 0-9 and -, and begins with a letter."
  }
}
