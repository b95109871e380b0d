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

variable "regions" {
  description = "Each region that keeps data: a key in each, and a copy of each secret."
  type        = set(string)

  validation {
    condition     = length(var.regions) >= 2
    error_message = "At least two regions: the lab's own, and the one that has its backups."
  }
}

variable "users" {
  description = "Who gets a password, in PostgreSQL or MongoDB."
  type        = set(string)
}

variable "secrets" {
  description = "Files in Secret Manager, and which workload alone may read each."
  type        = map(string)
}

variable "contents" {
  description = "What is in each of them."
  type        = map(string)
  sensitive   = true
}

variable "workloads" {
  description = "Output `workloads` of the module kubernetes: each pod's account as Google's IAM knows it."
  type        = map(string)

  validation {
    condition     = alltrue([for principal in values(var.workloads) : startswith(principal, "principal://")])
    error_message = "A workload is one pod's account, principal://…; principalSet:// or allUsers would be more."
  }
}

variable "deletion_protection" {
  description = "Whether secrets can't be deleted."
  type        = bool
}

variable "labels" {
  description = "On everything that can have them, for the bill."
  type        = map(string)
}
