variable "project" {
  description = "ID of the project in Google Cloud."
  type        = string
}

variable "region" {
  description = "Where the group and the address are, such as europe-west1."
  type        = string
}

variable "zone" {
  description = "Where the platform's VM and its disk are; a zone of the region."
  type        = string
}

variable "name" {
  description = "What is made has names that begin with it."
  type        = string
  default     = "tukur"
  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$", var.name))
    error_message = "1 to 20 small letters, digits and dashes expected, a letter first."
  }
}

variable "hostname" {
  description = "The hub's name in the DNS; null: its address."
  type        = string
  default     = null
}

variable "image_prefix" {
  description = "Where the container images of tukur are."
  type        = string
  default     = "docker.io/tukur"
}

variable "image_version" {
  description = "Their tag."
  type        = string
  default     = "latest"
}

variable "platform" {
  description = "The VM with hub and database."
  type = object({
    machine       = optional(string, "e2-medium")
    boot_disk_gb  = optional(number, 20)
    data_disk_gb  = optional(number, 50)
    snapshot_days = optional(number, 14)
    image         = optional(string, "projects/debian-cloud/global/images/family/debian-12")
  })
  default = {}
}

variable "group" {
  description = "The instance group and its autoscaler; ram_percent null: it scales on the CPU alone."
  type = object({
    machine           = optional(string, "e2-small")
    min               = optional(number, 1)
    max               = optional(number, 4)
    cpu_percent       = optional(number, 60)
    ram_percent       = optional(number)
    warm_up_s         = optional(number, 120)
    scale_in_max      = optional(number, 1)
    scale_in_window_s = optional(number, 600)
    boot_disk_gb      = optional(number, 20)
    zones             = optional(list(string), [])
    image             = optional(string, "projects/debian-cloud/global/images/family/debian-12")
  })
  default = {}
  validation {
    condition     = var.group.max >= var.group.min
    error_message = "max has to be at least min."
  }
}
