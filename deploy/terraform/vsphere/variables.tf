# "ingot export terraform" writes the values of all but the last three.

variable "template" {
  description = "Name of the template, which \"ingot publish vsphere\" makes."
  type        = string
}

variable "datacenter" {
  description = "Datacenter."
  type        = string
}

variable "datastore" {
  description = "Datastore of the machines and of their config ISOs."
  type        = string
}

variable "host" {
  description = "Host that machines are made on; null where the cluster chooses."
  type        = string
  default     = null
}

variable "resource_pool" {
  description = "Resource pool, as a path below the datacenter's hosts, such as compute/Resources."
  type        = string
}

variable "folder" {
  description = "Folder of the machines and of the template, below the datacenter's own; empty for that one."
  type        = string
  default     = ""
}

variable "network" {
  description = "Network of the machines."
  type        = string
}

variable "firmware" {
  description = "Firmware of the machines."
  type        = string
  default     = "efi"

  validation {
    condition     = contains(["efi", "bios"], var.firmware)
    error_message = "The firmware must be efi or bios."
  }
}

variable "identity" {
  description = "How machines get their identities: iso, in a CD drive, or guestinfo, in their settings, which then stand in the state."
  type        = string
  default     = "iso"

  validation {
    condition     = contains(["iso", "guestinfo"], var.identity)
    error_message = "The identity must be iso or guestinfo."
  }
}

variable "nodes" {
  description = "The machines, by the names of their nodes. identity is a path, relative to files; iso is one on the datastore."
  type = map(object({
    cpus       = number
    memory_mib = number
    disk_gib   = number
    mac        = optional(string)
    settings   = map(string)
    identity   = string
    iso        = string
  }))

  validation {
    condition     = length(var.nodes) > 0
    error_message = "A cluster has one node at least."
  }

  validation {
    condition     = alltrue([for n in var.nodes : n.memory_mib % 4 == 0 && n.cpus > 0 && n.disk_gib > 0])
    error_message = "Each node must have processors, a disk, and memory of a multiple of 4 MiB."
  }
}

variable "files" {
  description = "Folder of the identities, out/CLUSTER/nodes: they hold private keys."
  type        = string
}

variable "with_iso" {
  description = "Nodes that have their config ISOs; null for all. Those that \"ingot publish vsphere --detach-iso\" has taken away are left out."
  type        = set(string)
  default     = null
}

variable "boot_minutes" {
  description = "How long to wait for a machine's address, which needs open-vm-tools in the image; 0 not to wait."
  type        = number
  default     = 10
}
