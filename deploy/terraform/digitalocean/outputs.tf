output "image_id" {
  description = "Id of the image of new Droplets."
  value       = data.digitalocean_image.cluster.id
}

output "droplets" {
  description = "Ids of the Droplets, by node."
  value       = { for name, d in digitalocean_droplet.node : name => d.id }
}

output "addresses" {
  description = "Public addresses, by node."
  value       = local.addresses
}

output "private_addresses" {
  description = "Addresses in the private network of the region, by node."
  value       = { for name, d in digitalocean_droplet.node : name => d.ipv4_address_private }
}
