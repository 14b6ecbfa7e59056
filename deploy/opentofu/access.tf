resource "google_service_account" "this" {
  for_each     = { platform = "hub", member = "VMs of the group" }
  account_id   = "${var.name}-${each.key}"
  display_name = "tukur: ${each.value}"
  depends_on   = [google_project_service.this]
}

# What the hub asks about the group: who belongs to it, and what became of a VM.
resource "google_project_iam_custom_role" "platform" {
  role_id     = "${replace(var.name, "-", "_")}_platform"
  title       = "tukur hub (${var.name})"
  permissions = ["compute.instanceGroupManagers.get"]
  stage       = "GA"
}

resource "google_project_iam_member" "platform" {
  project = var.project
  role    = google_project_iam_custom_role.platform.id
  member  = google_service_account.this["platform"].member
}

resource "google_project_iam_member" "member_metrics" {
  count   = local.scales_on_ram ? 1 : 0
  project = var.project
  role    = "roles/monitoring.metricWriter"
  member  = google_service_account.this["member"].member
}

# Without a value: the platform's VM stores them, so they are not in the state either.
resource "google_secret_manager_secret" "this" {
  for_each  = toset(["join", "database", "database-root"])
  secret_id = "${var.name}-${each.key}"
  labels    = local.labels
  replication {
    auto {}
  }
  depends_on = [google_project_service.this]
}

resource "google_secret_manager_secret_iam_binding" "read" {
  for_each  = google_secret_manager_secret.this
  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  members   = [for account in each.key == "join" ? ["member", "platform"] : ["platform"] : google_service_account.this[account].member]
}

resource "google_secret_manager_secret_iam_binding" "write" {
  for_each  = google_secret_manager_secret.this
  secret_id = each.value.id
  role      = "roles/secretmanager.secretVersionAdder"
  members   = [google_service_account.this["platform"].member]
}
