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

variable "sources" {
  description = "The folder `deploy` of this repository, with prometheus/rules/alerts.yml and grafana/dashboards."
  type        = string
}

variable "host" {
  description = "The name that people's browsers know, like `lab.example.org`."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.host))
    error_message = "A host's name like lab.example.org, without https:// and path."
  }
}

variable "emails" {
  description = "Who is told: `page` at night too, `ticket` within the day."
  type        = map(string)

  validation {
    condition     = contains(keys(var.emails), "page") && contains(keys(var.emails), "ticket")
    error_message = "Both `page` and `ticket` must be told somebody."
  }

  validation {
    condition     = alltrue([for address in values(var.emails) : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "Addresses like lab-alarm@example.org."
  }
}

variable "billing_account" {
  description = "The billing account's id, like `012345-ABCDEF-012345`."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account looks like 012345-ABCDEF-012345."
  }
}

variable "budget" {
  description = "What a month may cost before somebody is told (at half, nine tenths and all of it, and when more is foreseen). Nothing is switched off."
  type        = object({ amount = number, currency = string })

  validation {
    condition     = var.budget.amount > 0 && var.budget.amount == floor(var.budget.amount) && can(regex("^[A-Z]{3}$", var.budget.currency))
    error_message = "A whole amount above 0, and the billing account's currency, like EUR."
  }
}
