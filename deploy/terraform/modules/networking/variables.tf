variable "project" {
  description = "The Google project's id."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project's id has 6 to 30 of a-z, 0-9 and -, and begins with a letter."
  }
}

variable "name" {
  description = "What everything is called, like `tincture-prod`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "A name has 3 to 24 of a-z, 0-9 and -, and begins with a letter: it becomes part of other names."
  }
}

variable "region" {
  description = "Google's region, like `europe-west3`."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region looks like europe-west3; europe-west3-a is a zone."
  }
}

variable "ranges" {
  description = "Private IPv4 networks that don't overlap each other nor the labs': of nodes, pods, services, Cloud SQL (managed_services) and Atlas' endpoints."
  type = object({
    nodes            = string
    pods             = string
    services         = string
    managed_services = string
    endpoints        = string
  })

  validation {
    condition     = alltrue([for range in values(var.ranges) : can(cidrhost(range, 0)) && cidrhost(range, 0) == split("/", range)[0]])
    error_message = "Each range is a network like 10.20.0.0/20, written by its first address."
  }

  validation {
    condition     = alltrue([for range in values(var.ranges) : can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", range))])
    error_message = "Ranges are private ones: of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16."
  }

  validation {
    condition     = tonumber(split("/", var.ranges.managed_services)[1]) <= 24
    error_message = "Cloud SQL takes a /24 for each region: managed_services is a /24 or larger (a smaller number)."
  }

  validation {
    condition     = length(distinct(values(var.ranges))) == length(values(var.ranges))
    error_message = "Two ranges are the same."
  }
}

variable "requests_per_minute" {
  description = "Of one address, through the load balancer, before it is answered 429. A university may be one address."
  type        = number
  default     = 6000

  validation {
    condition     = var.requests_per_minute >= 60 && var.requests_per_minute <= 1000000
    error_message = "60 to 1000000 requests a minute."
  }
}
