# The same as `tukur gcp apply` makes. README.md says how far it has been checked.

provider "google" {
  project = var.project
  region  = var.region
  zone    = var.zone
}

locals {
  labels  = { tukur = var.name }
  scripts = "${path.module}/../../src/tukur/gcp/startup"
  # Each script in one piece, as tukur.gcp.startup.scripts puts it together.
  start_script = {
    for machine in ["platform", "member"] : machine => replace(
      file("${local.scripts}/${machine}.sh"), "@GOOGLE@\n", trimprefix(file("${local.scripts}/google.sh"), "#!/bin/sh\n")
    )
  }
  hub_url       = "https://${coalesce(var.hostname, google_compute_address.hub.address)}"
  scales_on_ram = var.group.ram_percent != null
  ram_metric    = "custom.googleapis.com/tukur/ram_used"
  metadata = {
    tukur-hub              = local.hub_url
    tukur-join-secret      = google_secret_manager_secret.this["join"].secret_id
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
  }
}

resource "google_project_service" "this" {
  for_each = toset(concat(
    ["cloudresourcemanager", "compute", "iam", "secretmanager"],
    local.scales_on_ram ? ["monitoring"] : [],
  ))
  service = "${each.key}.googleapis.com"
  # Others may use them.
  disable_on_destroy = false
}
