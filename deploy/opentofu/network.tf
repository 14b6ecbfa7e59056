resource "google_compute_network" "this" {
  name                    = var.name
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"
  depends_on              = [google_project_service.this]
}

resource "google_compute_subnetwork" "this" {
  name          = var.name
  network       = google_compute_network.this.id
  ip_cidr_range = "10.83.0.0/20"
  # Secret Manager and the rest of Google, for VMs without a public address.
  private_ip_google_access = true
}

# Browsers and agents reach the hub; nothing else is open, and the group's VMs are not open at all.
resource "google_compute_firewall" "https" {
  name          = "${var.name}-https"
  network       = google_compute_network.this.id
  direction     = "INGRESS"
  source_ranges = ["0.0.0.0/0"]
  target_tags   = ["${var.name}-hub"]
  allow {
    protocol = "tcp"
    ports    = ["443"]
  }
}

# From where Google's Identity-Aware Proxy connects.
resource "google_compute_firewall" "iap_ssh" {
  name          = "${var.name}-iap-ssh"
  network       = google_compute_network.this.id
  direction     = "INGRESS"
  source_ranges = ["35.235.240.0/20"]
  target_tags   = ["${var.name}-hub", "${var.name}-member"]
  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

resource "google_compute_router" "this" {
  name    = var.name
  network = google_compute_network.this.id
}

resource "google_compute_router_nat" "this" {
  name                               = var.name
  router                             = google_compute_router.this.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}

resource "google_compute_address" "hub" {
  name         = "${var.name}-hub"
  address_type = "EXTERNAL"
  network_tier = "PREMIUM"
  labels       = local.labels
  depends_on   = [google_project_service.this]
}
