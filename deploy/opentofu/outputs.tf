output "hub" {
  description = "The hub's address, for browsers and agents."
  value       = local.hub_url
}

output "sign_in" {
  description = "Prints a link that signs you in once, as soon as the containers are up."
  value       = "gcloud compute ssh ${google_compute_instance.hub.name} --project ${var.project} --zone ${var.zone} --tunnel-through-iap --command 'sudo tukur sign-in-link'"
}
