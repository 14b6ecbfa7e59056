# What new VMs of the group are made of. A template never changes: other content has another name.
resource "google_compute_instance_template" "member" {
  name_prefix  = "${var.name}-member-"
  machine_type = var.group.machine
  tags         = ["${var.name}-member"]
  labels       = local.labels

  disk {
    boot         = true
    auto_delete  = true
    source_image = var.group.image
    disk_size_gb = var.group.boot_disk_gb
    disk_type    = "pd-balanced"
    labels       = local.labels
  }

  # No access_config: no public address.
  network_interface {
    subnetwork = google_compute_subnetwork.this.id
  }

  service_account {
    email  = google_service_account.this["member"].email
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
  }

  scheduling {
    on_host_maintenance = "MIGRATE"
    automatic_restart   = true
  }

  metadata = merge(
    local.metadata,
    { startup-script = local.start_script["member"] },
    # The agent reports its memory where it finds this attribute.
    local.scales_on_ram ? { tukur-ram-metric = local.ram_metric } : {},
  )

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_region_instance_group_manager" "this" {
  name                      = var.name
  base_instance_name        = "${var.name}-member"
  distribution_policy_zones = length(var.group.zones) > 0 ? var.group.zones : null

  version {
    instance_template = google_compute_instance_template.member.self_link_unique
  }

  # No auto_healing_policies: a VM is repaired when it does not run, and never because its agent died.
  instance_lifecycle_policy {
    default_action_on_failure = "REPAIR"
    force_update_on_repair    = "NO"
  }

  # A new template is for new VMs; those that run are not replaced, nor moved for an even spread.
  update_policy {
    type                         = "OPPORTUNISTIC"
    minimal_action               = "REPLACE"
    instance_redistribution_type = "NONE"
  }

  depends_on = [google_secret_manager_secret_iam_binding.read, google_compute_router_nat.this]

  lifecycle {
    # The autoscaler's business.
    ignore_changes = [target_size]
  }
}

resource "google_compute_region_autoscaler" "this" {
  name   = var.name
  target = google_compute_region_instance_group_manager.this.id

  autoscaling_policy {
    mode            = "ON"
    min_replicas    = var.group.min
    max_replicas    = var.group.max
    cooldown_period = var.group.warm_up_s

    cpu_utilization {
      target            = var.group.cpu_percent / 100
      predictive_method = "NONE"
    }

    scale_in_control {
      max_scaled_in_replicas {
        fixed = var.group.scale_in_max
      }
      time_window_sec = var.group.scale_in_window_s
    }

    dynamic "metric" {
      for_each = local.scales_on_ram ? [var.group.ram_percent] : []
      content {
        name   = google_monitoring_metric_descriptor.ram[0].type
        type   = "GAUGE"
        target = metric.value / 100
      }
    }
  }
}

# The share of its memory that a VM uses; written by the agents.
resource "google_monitoring_metric_descriptor" "ram" {
  count        = local.scales_on_ram ? 1 : 0
  type         = local.ram_metric
  display_name = "Memory used"
  description  = "The share of its memory that a VM uses"
  metric_kind  = "GAUGE"
  value_type   = "DOUBLE"
  unit         = "1"
  depends_on   = [google_project_service.this]
}
