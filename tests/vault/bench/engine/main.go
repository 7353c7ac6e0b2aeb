// The engine of guest/kv on Vault's Go SDK, as the measure for `make bench`: one value at each path, in the field `value`.
package main

import (
	"context"
	"log"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/plugin"
)

const folder = "kv/"

func main() {
	if err := plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: factory}); err != nil {
		log.Fatal(err)
	}
}

func factory(ctx context.Context, config *logical.BackendConfig) (logical.Backend, error) {
	backend := &framework.Backend{
		BackendType: logical.TypeLogical,
		Help:        "Keeps one value at each path, in the field `value`.",
		Paths: []*framework.Path{{
			Pattern: framework.MatchAllRegex("path"),
			Fields: map[string]*framework.FieldSchema{
				"path":  {Type: framework.TypeString},
				"value": {Type: framework.TypeString},
			},
			ExistenceCheck: func(ctx context.Context, request *logical.Request, _ *framework.FieldData) (bool, error) {
				entry, err := request.Storage.Get(ctx, folder+request.Path)
				return entry != nil, err
			},
			Operations: map[logical.Operation]framework.OperationHandler{
				logical.CreateOperation: &framework.PathOperation{Callback: write("key created")},
				logical.UpdateOperation: &framework.PathOperation{Callback: write("key updated")},
				logical.ReadOperation:   &framework.PathOperation{Callback: read},
				logical.ListOperation:   &framework.PathOperation{Callback: list},
			},
		}},
	}
	return backend, backend.Setup(ctx, config)
}

func write(message string) framework.OperationFunc {
	return func(ctx context.Context, request *logical.Request, data *framework.FieldData) (*logical.Response, error) {
		value, given := data.GetOk("value")
		if !given {
			return logical.ErrorResponse("missing field: value"), nil
		}
		entry := &logical.StorageEntry{Key: folder + request.Path, Value: []byte(value.(string))}
		if err := request.Storage.Put(ctx, entry); err != nil {
			return nil, err
		}
		return &logical.Response{Data: map[string]any{"message": message}}, nil
	}
}

func read(ctx context.Context, request *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	entry, err := request.Storage.Get(ctx, folder+request.Path)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return logical.ErrorResponse("key not found"), nil
	}
	return &logical.Response{Data: map[string]any{"value": string(entry.Value)}}, nil
}

func list(ctx context.Context, request *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	prefix := folder + request.Path
	if !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	keys, err := request.Storage.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	return &logical.Response{Data: map[string]any{"keys": keys}}, nil
}
