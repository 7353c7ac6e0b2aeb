# Registers Airlock, mounts it, and lets CI push guests to the mount. The binary is on every node already, in Vault's
# plugin directory (Dockerfile and helm-values.yaml beside this file). Which guest runs is not Terraform's: CI says that,
# with `airlock push`, and the registration trusts whatever this key signed.
terraform {
  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = "~> 5.0"
    }
  }
}

variable "airlock_version" {
  description = "The host's version, which is in the binary's name"
  type        = string
  default     = "0.1.0"
}

variable "airlock_sha256" {
  description = "The digest of the binary: the line of `airlock` in the release's SHA256SUMS"
  type        = string
}

variable "signer" {
  description = "The public key whose guests may run: the last line of signer.pub, of `airlock keygen`"
  type        = string
}

resource "vault_plugin" "airlock" {
  type    = "secret"
  name    = "airlock"
  version = "v${var.airlock_version}"
  command = "airlock-${var.airlock_version}"
  sha256  = var.airlock_sha256
  args    = ["serve", "--trust=${var.signer}"]
}

resource "vault_mount" "demo" {
  path           = "demo"
  type           = vault_plugin.airlock.name
  plugin_version = vault_plugin.airlock.version
}

# A CI job that pushes to demo/, and neither rolls back nor downgrades.
resource "vault_policy" "push" {
  name   = "airlock-push-demo"
  policy = <<-EOT
    path "${vault_mount.demo.path}/.airlock/status"   { capabilities = ["read", "sudo"] }
    path "${vault_mount.demo.path}/.airlock/guests/*" { capabilities = ["create", "update", "sudo"] }
    path "${vault_mount.demo.path}/.airlock/pieces/*" { capabilities = ["create", "update", "sudo"] }
    path "${vault_mount.demo.path}/.airlock/swap"     { capabilities = ["create", "update", "sudo"] }
  EOT
}

# Lets releases of one repository have that policy for some minutes (github-actions.yaml beside this file).
resource "vault_jwt_auth_backend" "github" {
  path               = "github"
  oidc_discovery_url = "https://token.actions.githubusercontent.com"
  bound_issuer       = "https://token.actions.githubusercontent.com"
}

resource "vault_jwt_auth_backend_role" "push" {
  backend           = vault_jwt_auth_backend.github.path
  role_name         = "airlock-push-demo"
  role_type         = "jwt"
  user_claim        = "repository"
  bound_audiences   = ["https://vault.example.com"]
  bound_claims_type = "glob"
  bound_claims = {
    repository = "example/my-engine"
    ref        = "refs/tags/v*"
  }
  token_policies = [vault_policy.push.name]
  token_ttl      = 600
}
