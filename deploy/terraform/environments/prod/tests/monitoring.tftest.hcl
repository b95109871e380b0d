# Who is told what: Prometheus' own files are the source, and none of them is left out.
mock_provider "google" {
  mock_resource "google_monitoring_notification_channel" {
    defaults = { id = "projects/p/notificationChannels/1" }
  }
}

variables {
  sources = "../../.."
}

run "promises" {
  command = apply

  module {
    source = "../../modules/monitoring"
  }

  assert {
    condition     = length(google_monitoring_alert_policy.prometheus) == length(regexall("- alert: ", file("../../../prometheus/rules/alerts.yml"))) && length(google_monitoring_alert_policy.prometheus) > 20
    error_message = "An alert of deploy/prometheus isn't here."
  }

  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.prometheus : length(alert.notification_channels) > 0 && startswith(alert.documentation[0].content, "What to do: docs/runbooks/")])
    error_message = "An alert tells nobody, or not what to do."
  }

  assert {
    condition     = google_monitoring_alert_policy.prometheus["TinctureCertificateEnding"].conditions[0].condition_prometheus_query_language[0].duration == "3600s" && google_monitoring_alert_policy.prometheus["TinctureDown"].conditions[0].condition_prometheus_query_language[0].duration == "120s" && google_monitoring_alert_policy.prometheus["TinctureLanePanics"].conditions[0].condition_prometheus_query_language[0].duration == "0s"
    error_message = "Prometheus' durations aren't Google's."
  }

  assert {
    condition     = google_monitoring_alert_policy.prometheus["TinctureDown"].severity == "CRITICAL" && google_monitoring_alert_policy.prometheus["TinctureMailsFail"].severity == "WARNING"
    error_message = "A page isn't critical, or a ticket is."
  }

  assert {
    condition     = length(google_monitoring_dashboard.board) == length(fileset("../../../grafana/dashboards", "*.json")) && alltrue([for board in google_monitoring_dashboard.board : length(jsondecode(board.dashboard_json).mosaicLayout.tiles) > 3 && !strcontains(board.dashboard_json, "$robot")])
    error_message = "A dashboard of deploy/grafana isn't here, is empty, or asks for a robot that nobody chose."
  }

  assert {
    condition     = length(google_monitoring_uptime_check_config.site) == 2 && alltrue([for check in google_monitoring_uptime_check_config.site : check.http_check[0].use_ssl && check.http_check[0].validate_ssl])
    error_message = "Nobody looks from outside."
  }

  assert {
    condition     = length(google_billing_budget.month.threshold_rules) == 4 && google_billing_budget.month.amount[0].specified_amount[0].units == tostring(var.budget.amount)
    error_message = "Nobody is told what it costs."
  }
}

run "an_address_for_the_night_is_needed" {
  command = plan
  module {
    source = "../../modules/monitoring"
  }
  variables {
    emails = { ticket = "lab@example.org" }
  }
  expect_failures = [var.emails]
}
