// HashiCorp's own KV engine as an external plugin, with which the tests compare Airlock.
package main

import (
	"log"

	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/sdk/plugin"
)

func main() {
	if err := plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: kv.Factory}); err != nil {
		log.Fatal(err)
	}
}
