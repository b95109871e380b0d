# refused: no available releases match
terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 9.0"
    }
  }
}
