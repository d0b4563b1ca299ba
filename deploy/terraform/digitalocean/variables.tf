# "ingot export terraform" writes the values of all but the last two.

variable "cluster" {
  description = "Name of the cluster."
  type        = string
}

variable "cluster_tag" {
  description = "Tag of all that is the cluster's. The image has it already."
  type        = string
}

variable "data_tag" {
  description = "Beginning of the tag that marks a Droplet's user data by their checksum."
  type        = string
}

variable "image" {
  description = "Name of the custom image, which \"ingot publish digitalocean\" brings to the account."
  type        = string
}

variable "nodes" {
  description = "The Droplets, by the names of their nodes. user_data is a path, relative to files."
  type = map(object({
    name        = string
    region      = string
    size        = string
    tags        = list(string)
    reserved_ip = optional(string)
    user_data   = string
  }))

  validation {
    condition     = length(var.nodes) > 0
    error_message = "A cluster has one node at least."
  }

  validation {
    condition     = alltrue([for n in var.nodes : n.reserved_ip == null || can(cidrhost("${n.reserved_ip}/32", 0))])
    error_message = "Each reserved_ip must be an IPv4 address."
  }
}

variable "vpcs" {
  description = "The private networks, by their regions. Without ip_range the platform chooses one, perhaps of addresses that the cluster uses."
  type = map(object({
    name        = string
    description = string
    ip_range    = optional(string)
  }))

  validation {
    condition     = alltrue([for v in var.vpcs : v.ip_range == null || can(cidrhost(v.ip_range, 0))])
    error_message = "Each ip_range must be a CIDR, such as 192.168.16.0/20."
  }
}

variable "firewalls" {
  description = "What is let in to the Droplets of a tag, by the names of the firewalls. Everything is let out."
  type = map(object({
    tag = string
    inbound = list(object({
      protocol = string
      port     = string
      sources  = list(string)
    }))
  }))

  validation {
    condition     = alltrue(flatten([for f in var.firewalls : [for r in f.inbound : contains(["tcp", "udp"], r.protocol)]]))
    error_message = "Each protocol must be tcp or udp."
  }
}

variable "ssh_keys" {
  description = "SSH keys by name. The API wants one for a Droplet of a custom image; the image itself has those of the definition."
  type = map(object({
    public_key  = string
    fingerprint = string
  }))
  default = {}
}

variable "dns_zone" {
  description = "Domain of the account that gets the records; null for no records."
  type        = string
  default     = null
}

variable "records" {
  description = "Records of the zone. The value is given, or it is the address of a node's Droplet."
  type = list(object({
    type  = string
    name  = string
    node  = optional(string)
    value = optional(string)
  }))
  default = []

  validation {
    condition     = alltrue([for r in var.records : (r.node == null) != (r.value == null)])
    error_message = "Each record must have a node or a value."
  }
}

variable "files" {
  description = "Folder of the identities, out/CLUSTER/nodes: they hold private keys."
  type        = string
}

variable "add_ssh_keys" {
  description = "Whether to add ssh_keys to the account; false where it has them already."
  type        = bool
  default     = true
}
