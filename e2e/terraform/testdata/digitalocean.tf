locals {
  ingot = jsondecode(file("../out/sea/terraform/digitalocean/cluster.auto.tfvars.json"))
}

module "cluster" {
  source = "MODULE"

  cluster     = local.ingot.cluster
  cluster_tag = local.ingot.cluster_tag
  data_tag    = local.ingot.data_tag
  image       = local.ingot.image
  nodes       = local.ingot.nodes
  vpcs        = local.ingot.vpcs
  firewalls   = local.ingot.firewalls
  ssh_keys    = local.ingot.ssh_keys
  dns_zone    = local.ingot.dns_zone
  records     = local.ingot.records
  files       = local.ingot.files
}

output "addresses" {
  value = module.cluster.addresses
}
