data "digitalocean_image" "cluster" {
  name = var.image

  lifecycle {
    postcondition {
      condition     = alltrue([for n in var.nodes : contains(self.regions, n.region)])
      error_message = "The image ${var.image} is not in the region of every node: ingot publish digitalocean ${var.cluster} brings it there."
    }
  }
}

# The image has this tag, and keeps it when the machines go: so it is not made
# and not removed here.
data "digitalocean_tag" "cluster" {
  name = var.cluster_tag
}

locals {
  user_data = { for name, n in var.nodes : name => "${var.files}/${n.user_data}" }
  role_tags = setsubtract([for f in var.firewalls : f.tag], [var.cluster_tag])
  reserved  = { for name, n in var.nodes : name => n.reserved_ip if n.reserved_ip != null }
  addresses = { for name, d in digitalocean_droplet.node : name => lookup(local.reserved, name, d.ipv4_address) }
}

# A firewall can only name tags that there are.
resource "digitalocean_tag" "role" {
  for_each = local.role_tags

  name = each.key
}

# The firewalls are there before the first Droplet.
resource "digitalocean_firewall" "cluster" {
  for_each = var.firewalls

  name = each.key
  tags = [each.value.tag]

  dynamic "inbound_rule" {
    for_each = each.value.inbound

    content {
      protocol         = inbound_rule.value.protocol
      port_range       = inbound_rule.value.port
      source_addresses = inbound_rule.value.sources
    }
  }

  dynamic "outbound_rule" {
    for_each = { tcp = "all", udp = "all", icmp = null }

    content {
      protocol              = outbound_rule.key
      port_range            = outbound_rule.value
      destination_addresses = ["0.0.0.0/0", "::/0"]
    }
  }

  depends_on = [data.digitalocean_tag.cluster, digitalocean_tag.role]
}

resource "digitalocean_vpc" "cluster" {
  for_each = var.vpcs

  name        = each.value.name
  region      = each.key
  description = each.value.description
  ip_range    = each.value.ip_range
}

resource "digitalocean_ssh_key" "cluster" {
  for_each = var.add_ssh_keys ? var.ssh_keys : {}

  name       = each.key
  public_key = each.value.public_key
}

resource "digitalocean_droplet" "node" {
  for_each = var.nodes

  name          = each.value.name
  region        = each.value.region
  size          = each.value.size
  image         = data.digitalocean_image.cluster.id
  vpc_uuid      = digitalocean_vpc.cluster[each.value.region].id
  ssh_keys      = [for k in var.ssh_keys : k.fingerprint]
  user_data     = file(local.user_data[each.key])
  droplet_agent = false

  # The last one marks the user data, as "ingot publish" does.
  tags = concat(each.value.tags, ["${var.data_tag}${substr(filesha256(local.user_data[each.key]), 0, 12)}"])

  lifecycle {
    # A Droplet that is made anew loses its disk, and all controllers at once
    # lose the cluster. So another image or identity waits for "-replace", one
    # node at a time. The tags say of which image and user data a Droplet is.
    ignore_changes = [image, user_data, ssh_keys, tags]
  }

  depends_on = [digitalocean_firewall.cluster, digitalocean_ssh_key.cluster]
}

# The addresses are taken before: they stand in the identities.
resource "digitalocean_reserved_ip_assignment" "node" {
  for_each = local.reserved

  ip_address = each.value
  droplet_id = digitalocean_droplet.node[each.key].id
}

resource "digitalocean_record" "cluster" {
  for_each = var.dns_zone == null ? {} : { for r in var.records : "${r.type} ${r.name} ${coalesce(r.node, r.value)}" => r }

  domain = var.dns_zone
  type   = each.value.type
  name   = each.value.name
  value  = each.value.node == null ? each.value.value : local.addresses[each.value.node]
  ttl    = 300
}
