package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/vault/sdk/logical"
	vaultplugin "github.com/hashicorp/vault/sdk/plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// A plugin that runs under go-plugin's own client, as Vault uses it, with storage in this process's memory.
type client struct {
	process *plugin.Client
	backend logical.Backend
	storage *counted
	pid     int
	// The times from the start of the process to its handshake line, and to its first answer.
	handshake, firstAnswer time.Duration
}

// Storage in memory that counts the calls. Like Vault's, it cannot be written while a mount is set up.
type counted struct {
	logical.InmemStorage
	calls atomic.Int64
	ready atomic.Bool
}

func (storage *counted) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	storage.calls.Add(1)
	return storage.InmemStorage.Get(ctx, key)
}

func (storage *counted) Put(ctx context.Context, entry *logical.StorageEntry) error {
	storage.calls.Add(1)
	if !storage.ready.Load() {
		return logical.ErrSetupReadOnly
	}
	return storage.InmemStorage.Put(ctx, entry)
}

func (storage *counted) List(ctx context.Context, prefix string) ([]string, error) {
	storage.calls.Add(1)
	return storage.InmemStorage.List(ctx, prefix)
}

func (storage *counted) Delete(ctx context.Context, key string) error {
	storage.calls.Add(1)
	return storage.InmemStorage.Delete(ctx, key)
}

// A connection on which each call says which mount it is for, as Vault's calls do.
type multiplexed struct {
	grpc.ClientConnInterface
	plugin.ClientProtocol
}

func (multiplexed) Reload() error { return nil }

func (m multiplexed) Conn() grpc.ClientConnInterface { return m }

func (m multiplexed) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	ctx = metadata.AppendToOutgoingContext(ctx, "multiplex_id", "bench")
	return m.ClientConnInterface.Invoke(ctx, method, args, reply, options...)
}

// Starts a plugin, sets a mount up and sends it the first request.
func start(ctx context.Context, engine engine) (*client, error) {
	command := exec.Command(engine.program, engine.args...)
	began := time.Now()
	process := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  vaultplugin.HandshakeConfig,
		VersionedPlugins: vaultplugin.PluginSet,
		Cmd:              command,
		AutoMTLS:         true,
		SecureConfig:     &plugin.SecureConfig{Checksum: engine.checksum, Hash: sha256.New()},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
		Stderr:           io.Discard,
		SyncStdout:       io.Discard,
		SyncStderr:       io.Discard,
	})
	if _, err := process.Start(); err != nil {
		return nil, fmt.Errorf("%s: it does not start: %w", engine.name, err)
	}
	started := &client{process: process, storage: &counted{}, pid: command.Process.Pid, handshake: time.Since(began)}
	if err := started.setUp(ctx, engine); err != nil {
		process.Kill()
		return nil, fmt.Errorf("%s: %w", engine.name, err)
	}
	started.firstAnswer = time.Since(began)
	return started, nil
}

func (c *client) setUp(ctx context.Context, engine engine) error {
	protocol, err := c.process.Client()
	if err != nil {
		return err
	}
	connection := protocol.(*plugin.GRPCClient).Conn
	backend, err := vaultplugin.Dispense(protocol, multiplexed{connection, protocol})
	if err != nil {
		return err
	}
	c.backend = backend
	err = backend.Setup(ctx, &logical.BackendConfig{
		StorageView: c.storage,
		Logger:      hclog.NewNullLogger(),
		System:      logical.StaticSystemView{DefaultLeaseTTLVal: time.Hour, MaxLeaseTTLVal: time.Hour},
		BackendUUID: "bench",
		Config:      engine.options,
	})
	if err != nil {
		return fmt.Errorf("the mount cannot be set up: %w", err)
	}
	backend.SpecialPaths()
	c.storage.ready.Store(true)
	if err := backend.Initialize(ctx, &logical.InitializationRequest{Storage: c.storage}); err != nil {
		return fmt.Errorf("the mount cannot be initialized: %w", err)
	}
	return untilUpgraded(func() error { return c.write(ctx, engine, 0) })
}

func (c *client) read(ctx context.Context, engine engine, key int) error {
	request := &logical.Request{
		ID: "bench", Operation: logical.ReadOperation, Path: engine.path(key), MountPoint: "bench/", Storage: c.storage,
	}
	return refused(c.backend.HandleRequest(ctx, request))
}

// Writes as Vault does: asks first whether the path exists.
func (c *client) write(ctx context.Context, engine engine, key int) error {
	request := &logical.Request{
		ID:         fmt.Sprint("write-", key),
		Operation:  logical.UpdateOperation,
		Path:       engine.path(key),
		Data:       engine.data(),
		MountPoint: "bench/",
		Storage:    c.storage,
	}
	found, exists, err := c.backend.HandleExistenceCheck(ctx, request)
	if err != nil {
		return err
	}
	if found && !exists {
		request.Operation = logical.CreateOperation
	}
	return refused(c.backend.HandleRequest(ctx, request))
}

func refused(response *logical.Response, err error) error {
	if err == nil && response.IsError() {
		err = response.Error()
	}
	return err
}

func (c *client) end() {
	c.backend.Cleanup(context.Background())
	c.process.Kill()
}

func checksum(program string) ([]byte, error) {
	file, err := os.Open(program)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, file)
	return hash.Sum(nil), err
}
