resource "google_compute_resource_policy" "daily" {
  name       = "${var.name}-daily"
  depends_on = [google_project_service.this]
  snapshot_schedule_policy {
    schedule {
      daily_schedule {
        days_in_cycle = 1
        start_time    = "03:00"
      }
    }
    retention_policy {
      max_retention_days    = var.platform.snapshot_days
      on_source_disk_delete = "KEEP_AUTO_SNAPSHOTS"
    }
    snapshot_properties {
      labels            = local.labels
      storage_locations = [var.region]
    }
  }
}

resource "google_compute_disk" "data" {
  name       = "${var.name}-data"
  size       = var.platform.data_disk_gb
  type       = "pd-balanced"
  labels     = local.labels
  depends_on = [google_project_service.this]
  # The record of the fleet.
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_compute_disk_resource_policy_attachment" "daily" {
  name = google_compute_resource_policy.daily.name
  disk = google_compute_disk.data.name
}

resource "google_compute_instance" "hub" {
  name                      = "${var.name}-hub"
  machine_type              = var.platform.machine
  tags                      = ["${var.name}-hub"]
  labels                    = local.labels
  allow_stopping_for_update = true

  boot_disk {
    initialize_params {
      image  = var.platform.image
      size   = var.platform.boot_disk_gb
      type   = "pd-balanced"
      labels = local.labels
    }
  }

  attached_disk {
    source      = google_compute_disk.data.id
    device_name = "tukur-data"
    mode        = "READ_WRITE"
  }

  network_interface {
    subnetwork = google_compute_subnetwork.this.id
    access_config {
      nat_ip       = google_compute_address.hub.address
      network_tier = "PREMIUM"
    }
  }

  service_account {
    email  = google_service_account.this["platform"].email
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
  }

  scheduling {
    on_host_maintenance = "MIGRATE"
    automatic_restart   = true
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  metadata = merge(local.metadata, {
    startup-script             = local.start_script["platform"]
    tukur-compose              = file("${path.module}/../compose/compose.yaml")
    tukur-image-prefix         = var.image_prefix
    tukur-version              = var.image_version
    tukur-group                = "regions/${var.region}/instanceGroupManagers/${var.name}"
    tukur-database-secret      = google_secret_manager_secret.this["database"].secret_id
    tukur-database-root-secret = google_secret_manager_secret.this["database-root"].secret_id
    tukur-disk                 = "tukur-data"
  })

  depends_on = [
    google_secret_manager_secret_iam_binding.read,
    google_secret_manager_secret_iam_binding.write,
    google_compute_router_nat.this,
  ]

  lifecycle {
    # A newer image of the family does not replace the VM.
    ignore_changes = [boot_disk]
  }
}
