locals {
  ingot = jsondecode(file("../out/hill/terraform/vsphere/cluster.auto.tfvars.json"))
}

variable "attach_identities" {
  type    = bool
  default = true
}

module "cluster" {
  source = "MODULE"

  template          = local.ingot.template
  datacenter        = local.ingot.datacenter
  datastore         = local.ingot.datastore
  host              = local.ingot.host
  resource_pool     = local.ingot.resource_pool
  folder            = local.ingot.folder
  network           = local.ingot.network
  firmware          = local.ingot.firmware
  identity          = local.ingot.identity
  nodes             = local.ingot.nodes
  files             = local.ingot.files
  attach_identities = var.attach_identities
  boot_minutes      = 0
}

output "addresses" {
  value = { for name, id in module.cluster.machines : name => id }
}
