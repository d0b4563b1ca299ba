data "vsphere_datacenter" "cluster" {
  name = var.datacenter
}

data "vsphere_datastore" "cluster" {
  name          = var.datastore
  datacenter_id = data.vsphere_datacenter.cluster.id
}

data "vsphere_resource_pool" "cluster" {
  name          = var.resource_pool
  datacenter_id = data.vsphere_datacenter.cluster.id
}

data "vsphere_network" "cluster" {
  name          = var.network
  datacenter_id = data.vsphere_datacenter.cluster.id
}

data "vsphere_host" "cluster" {
  count = var.host == null ? 0 : 1

  name          = var.host
  datacenter_id = data.vsphere_datacenter.cluster.id
}

data "vsphere_virtual_machine" "template" {
  name          = join("/", compact([var.folder, var.template]))
  datacenter_id = data.vsphere_datacenter.cluster.id
}

locals {
  identities = { for name, n in var.nodes : name => "${var.files}/${n.identity}" }
  isos = {
    for name, n in var.nodes : name => n.iso
    if var.identity == "iso" && (var.with_iso == null ? true : contains(var.with_iso, name))
  }
}

resource "vsphere_file" "identity" {
  for_each = local.isos

  datacenter         = data.vsphere_datacenter.cluster.name
  datastore          = data.vsphere_datastore.cluster.name
  source_file        = local.identities[each.key]
  destination_file   = each.value
  create_directories = true
}

resource "vsphere_virtual_machine" "node" {
  for_each = var.nodes

  name             = each.key
  resource_pool_id = data.vsphere_resource_pool.cluster.id
  host_system_id   = one(data.vsphere_host.cluster[*].id)
  datastore_id     = data.vsphere_datastore.cluster.id
  folder           = var.folder
  guest_id         = data.vsphere_virtual_machine.template.guest_id
  firmware         = var.firmware
  num_cpus         = each.value.cpus
  memory           = each.value.memory_mib
  scsi_type        = data.vsphere_virtual_machine.template.scsi_type
  enable_disk_uuid = true

  wait_for_guest_net_timeout = var.boot_minutes

  # By the first of these "ingot publish" knows the machine; guestinfo holds the
  # node's private keys.
  extra_config = merge(
    each.value.settings,
    { "ingot.identity" = filesha256(local.identities[each.key]) },
    var.identity == "guestinfo" ? jsondecode(file(local.identities[each.key])) : {},
  )

  clone {
    template_uuid = data.vsphere_virtual_machine.template.id
  }

  disk {
    label            = "disk0"
    size             = each.value.disk_gib
    thin_provisioned = data.vsphere_virtual_machine.template.disks[0].thin_provisioned
    eagerly_scrub    = data.vsphere_virtual_machine.template.disks[0].eagerly_scrub
  }

  network_interface {
    network_id     = data.vsphere_network.cluster.id
    adapter_type   = "vmxnet3"
    use_static_mac = each.value.mac != null
    mac_address    = each.value.mac
  }

  dynamic "cdrom" {
    for_each = { for name, iso in local.isos : name => iso if name == each.key }

    content {
      datastore_id = data.vsphere_datastore.cluster.id
      path         = cdrom.value
    }
  }

  lifecycle {
    # A machine that is made anew loses its disk, and all controllers at once
    # lose the cluster. So another image or identity waits for "-replace", one
    # node at a time. The drive loses its ISO while the machine runs.
    ignore_changes = [clone, extra_config, cdrom]
  }

  depends_on = [vsphere_file.identity]
}
