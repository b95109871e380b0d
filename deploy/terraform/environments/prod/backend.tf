# The state has the databases' passwords in it: the bucket (versioned, encrypted, readable by administrators alone) is made by hand
# before, and named at `terraform init -backend-config="bucket=…"` (docs/cloud.md).
terraform {
  backend "gcs" {
    prefix = "tincture/prod"
  }
}
