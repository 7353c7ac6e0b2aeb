// HashiCorp's own KV engine as an external plugin: what the tests compare Airlock with.
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
