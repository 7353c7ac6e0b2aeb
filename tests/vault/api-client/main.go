// Writers that create the same keys at the same time, each with its own Vault client with default settings.
// tests/tests/creates.rs builds and runs it.
//
//	api-client ADDRESS FOLDER KEYS TOKEN...
//
// There is one writer for each token. Writer w writes the value "w" to FOLDER/0, FOLDER/1 and so on. All of them begin
// with a key as soon as one of them has written the previous key. Each write that fails is reported on standard error.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/hashicorp/vault/api"
)

func main() {
	if len(os.Args) < 5 {
		fail("usage: api-client ADDRESS FOLDER KEYS TOKEN...")
	}
	address, folder, tokens := os.Args[1], os.Args[2], os.Args[4:]
	keys, err := strconv.Atoi(os.Args[3])
	if err != nil {
		fail("KEYS: " + err.Error())
	}
	var clients []*api.Client
	for _, token := range tokens {
		config := api.DefaultConfig()
		config.Address = address
		client, err := api.NewClient(config)
		if err != nil {
			fail(err.Error())
		}
		client.SetToken(token)
		clients = append(clients, client)
	}

	var all sync.WaitGroup
	failed := make(chan error, keys*len(clients))
	for key := range keys {
		done := make(chan struct{}, len(clients))
		for writer, client := range clients {
			all.Go(func() {
				path := fmt.Sprintf("%s/%d", folder, key)
				_, err := client.Logical().Write(path, map[string]any{"value": strconv.Itoa(writer)})
				if err != nil {
					failed <- fmt.Errorf("writer %d: %w", writer, err)
				}
				done <- struct{}{}
			})
		}
		<-done
	}
	all.Wait()
	close(failed)
	status := 0
	for err := range failed {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(2)
}
