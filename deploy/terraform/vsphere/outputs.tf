output "addresses" {
  description = "Addresses that the machines have told, by node."
  value       = { for name, m in vsphere_virtual_machine.node : name => m.default_ip_address }
}

output "machines" {
  description = "Ids of the machines in the inventory, by node."
  value       = { for name, m in vsphere_virtual_machine.node : name => m.moid }
}
