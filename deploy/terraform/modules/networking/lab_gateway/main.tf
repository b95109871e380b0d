# The door for workers that stand at a lab's edge: a machine without a public address, reached through Google's Identity-Aware Proxy by
# connections that the lab opens. It knows no password and passes bytes on to PostgreSQL, whose TLS ends in the worker.

locals {
  port = 5432
  # systemd's own proxy: nothing is installed, so that nothing has to be fetched.
  startup = <<-SCRIPT
    #!/bin/sh
    set -eu
    cat > /etc/systemd/system/database.socket <<'UNIT'
    [Socket]
    ListenStream=${local.port}
    [Install]
    WantedBy=sockets.target
    UNIT
    cat > /etc/systemd/system/database.service <<'UNIT'
    [Unit]
    Requires=database.socket
    After=database.socket
    [Service]
    ExecStart=/lib/systemd/systemd-socket-proxyd --connections-max=256 ${var.database_address}:${local.port}
    DynamicUser=yes
    PrivateTmp=yes
    ProtectSystem=strict
    NoNewPrivileges=yes
    UNIT
    systemctl daemon-reload
    systemctl enable --now database.socket
  SCRIPT
}

resource "google_service_account" "gateway" {
  project      = var.project
  account_id   = "${var.name}-gateway"
  display_name = "The lab's gateway; it may do nothing"
}

resource "google_compute_instance" "gateway" {
  project                   = var.project
  name                      = "${var.name}-gateway"
  zone                      = var.zone
  machine_type              = "e2-small"
  tags                      = ["lab-gateway"]
  allow_stopping_for_update = true
  can_ip_forward            = false
  deletion_protection       = false
  metadata_startup_script   = local.startup

  boot_disk {
    initialize_params {
      image = "debian-cloud/debian-12"
      size  = 10
    }
    kms_key_self_link = var.disk_key
  }

  network_interface {
    subnetwork = var.subnet
  }

  service_account {
    email  = google_service_account.gateway.email
    scopes = ["https://www.googleapis.com/auth/logging.write"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  metadata = {
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
    serial-port-enable     = "FALSE"
  }

  scheduling {
    automatic_restart   = true
    on_host_maintenance = "MIGRATE"
  }
}

resource "google_compute_firewall" "gateway" {
  project       = var.project
  name          = "${var.name}-gateway"
  network       = var.network
  direction     = "INGRESS"
  source_ranges = ["35.235.240.0/20"]
  target_tags   = ["lab-gateway"]

  allow {
    protocol = "tcp"
    ports    = [tostring(local.port)]
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

# What a lab shows: an identity of its own, which may open this tunnel and nothing else.
resource "google_service_account" "lab" {
  for_each     = var.labs
  project      = var.project
  account_id   = "${var.name}-${each.key}"
  display_name = "Worker at the edge of the lab ${each.key}"
}

resource "google_iap_tunnel_instance_iam_member" "lab" {
  for_each = var.labs
  project  = var.project
  zone     = var.zone
  instance = google_compute_instance.gateway.name
  role     = "roles/iap.tunnelResourceAccessor"
  member   = "serviceAccount:${google_service_account.lab[each.key].email}"

  condition {
    title      = "database"
    expression = "destination.port == ${local.port}"
  }
}
