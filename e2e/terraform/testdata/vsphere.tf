locals {
  ingot = jsondecode(file("../out/hill/terraform/vsphere/cluster.auto.tfvars.json"))
}

variable "with_iso" {
  type    = set(string)
  default = null
}

module "cluster" {
  source = "MODULE"

  template      = local.ingot.template
  datacenter    = local.ingot.datacenter
  datastore     = local.ingot.datastore
  host          = local.ingot.host
  resource_pool = local.ingot.resource_pool
  folder        = local.ingot.folder
  network       = local.ingot.network
  firmware      = local.ingot.firmware
  identity      = local.ingot.identity
  nodes         = local.ingot.nodes
  files         = local.ingot.files
  with_iso      = var.with_iso
  boot_minutes  = 0
}

output "machines" {
  value = module.cluster.machines
}
