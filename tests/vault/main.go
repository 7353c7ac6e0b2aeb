// A Vault server built from its Go modules, for the end-to-end tests and `make vault-dev`.
// No package registry has a binary of Vault, but its command line is a Go package.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() {
	os.Exit(command.Run(os.Args[1:]))
}
