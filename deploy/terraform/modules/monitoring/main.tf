# Who is told what. Alerts are those of deploy/prometheus, dashboards those of deploy/grafana: there is one source of each.

locals {
  rules  = yamldecode(file("${var.sources}/prometheus/rules/alerts.yml")).groups[0].rules
  alerts = { for rule in local.rules : rule.alert => rule }

  boards = { for file in fileset("${var.sources}/grafana/dashboards", "*.json") : trimsuffix(file, ".json") => jsondecode(file("${var.sources}/grafana/dashboards/${file}")) }

  # Google's units of a panel; of what isn't here it makes up its own mind.
  units = { s = "s", bytes = "By", percentunit = "10^2.%" }
  panels = { for name, board in local.boards : name => [
    for panel in board.panels : panel if panel.type != "row"
  ] }
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = var.emails
  project      = var.project
  display_name = "${var.name}: ${each.key}"
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_monitoring_alert_policy" "prometheus" {
  for_each              = local.alerts
  project               = var.project
  display_name          = "${var.name}: ${each.key}"
  combiner              = "OR"
  severity              = each.value.labels.severity == "page" ? "CRITICAL" : "WARNING"
  notification_channels = each.value.labels.severity == "page" ? local.page : local.ticket

  conditions {
    display_name = each.key
    condition_prometheus_query_language {
      query               = each.value.expr
      duration            = lookup(local.seconds, lookup(each.value, "for", "0m"))
      evaluation_interval = "30s"
      alert_rule          = each.key
      rule_group          = "tincture"
      labels              = { severity = each.value.labels.severity }
      # A figure may come only with the first experiment, robot or backup.
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    subject   = "${var.name}: ${each.key}"
    content   = "What to do: ${each.value.annotations.runbook} in Tincture's repository."
    mime_type = "text/markdown"
  }
}

locals {
  channels = { for name, channel in google_monitoring_notification_channel.email : name => channel.id }
  page     = [local.channels["page"]]
  ticket   = [local.channels["ticket"]]
  # Prometheus' durations as Google has them.
  seconds = { for text in distinct([for rule in local.rules : lookup(rule, "for", "0m")]) : text => format("%ds", tonumber(regex("^[0-9]+", text)) * { m = 60, h = 3600 }[substr(text, -1, 1)]) }
}

# ---- from outside: whether people can come in, and whether the certificate lasts

resource "google_monitoring_uptime_check_config" "site" {
  for_each           = toset(["/healthz", "/readyz"])
  project            = var.project
  display_name       = "${var.name}: ${var.host}${each.value}"
  timeout            = "10s"
  period             = "60s"
  log_check_failures = true

  http_check {
    path         = each.value
    port         = 443
    use_ssl      = true
    validate_ssl = true
    accepted_response_status_codes {
      status_class = "STATUS_CLASS_2XX"
    }
  }

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project, host = var.host }
  }
}

resource "google_monitoring_alert_policy" "site" {
  project               = var.project
  display_name          = "${var.name}: can't be reached"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.page

  dynamic "conditions" {
    for_each = google_monitoring_uptime_check_config.site
    content {
      display_name = conditions.key
      condition_threshold {
        filter          = "metric.type = \"monitoring.googleapis.com/uptime_check/check_passed\" AND metric.labels.check_id = \"${conditions.value.uptime_check_id}\" AND resource.type = \"uptime_url\""
        comparison      = "COMPARISON_GT"
        threshold_value = 1
        duration        = "120s"
        aggregations {
          alignment_period     = "120s"
          per_series_aligner   = "ALIGN_NEXT_OLDER"
          cross_series_reducer = "REDUCE_COUNT_FALSE"
          group_by_fields      = ["resource.label.host"]
        }
      }
    }
  }

  documentation {
    content   = "docs/runbooks/down.md in Tincture's repository."
    mime_type = "text/markdown"
  }
}

resource "google_monitoring_alert_policy" "certificate" {
  project               = var.project
  display_name          = "${var.name}: certificate ends soon"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.ticket

  conditions {
    display_name = "less than 14 days"
    condition_threshold {
      filter          = "metric.type = \"monitoring.googleapis.com/uptime_check/time_until_ssl_cert_expires\" AND resource.type = \"uptime_url\" AND resource.labels.host = \"${var.host}\""
      comparison      = "COMPARISON_LT"
      threshold_value = 14
      duration        = "600s"
      aggregations {
        alignment_period     = "1200s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_MEAN"
        group_by_fields      = ["resource.label.host"]
      }
    }
  }

  documentation {
    content   = "docs/runbooks/certificate-ending.md in Tincture's repository."
    mime_type = "text/markdown"
  }
}

# ---- to look at

resource "google_monitoring_dashboard" "board" {
  for_each = local.boards
  project  = var.project
  dashboard_json = jsonencode({
    displayName = "${var.name}: ${each.value.title}"
    mosaicLayout = {
      columns = 24
      tiles = [for panel in local.panels[each.key] : {
        xPos   = panel.gridPos.x
        yPos   = panel.gridPos.y
        width  = panel.gridPos.w
        height = panel.gridPos.h
        # One number has one query; what has more is drawn over time.
        widget = merge(
          { title = panel.title },
          { for kind in panel.type == "stat" && length(panel.targets) == 1 ? ["scorecard"] : [] : kind => {
            timeSeriesQuery = {
              prometheusQuery = replace(panel.targets[0].expr, "=\"$robot\"", "=~\".+\"")
              unitOverride    = lookup(local.units, panel.fieldConfig.defaults.unit, "")
            }
          } },
          { for kind in panel.type == "stat" && length(panel.targets) == 1 ? [] : ["xyChart"] : kind => {
            dataSets = [for target in panel.targets : {
              plotType       = "LINE"
              legendTemplate = replace(replace(target.legendFormat, "{{", "$${metric.labels."), "}}", "}")
              timeSeriesQuery = {
                prometheusQuery = replace(target.expr, "=\"$robot\"", "=~\".+\"")
                unitOverride    = lookup(local.units, panel.fieldConfig.defaults.unit, "")
              }
            }]
          } },
        )
      }]
    }
  })
}

# ---- what it costs

resource "google_billing_budget" "month" {
  billing_account = var.billing_account
  display_name    = "${var.name}, a month"

  budget_filter {
    projects               = ["projects/${var.project_number}"]
    calendar_period        = "MONTH"
    credit_types_treatment = "INCLUDE_ALL_CREDITS"
  }

  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = tostring(var.budget.amount)
    }
  }

  dynamic "threshold_rules" {
    for_each = { half = ["CURRENT_SPEND", 0.5], most = ["CURRENT_SPEND", 0.9], all = ["CURRENT_SPEND", 1.0], foreseen = ["FORECASTED_SPEND", 1.1] }
    content {
      spend_basis       = threshold_rules.value[0]
      threshold_percent = threshold_rules.value[1]
    }
  }

  all_updates_rule {
    monitoring_notification_channels = local.ticket
    disable_default_iam_recipients   = false
  }
}
