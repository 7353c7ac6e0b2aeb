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
	engine   engine
	process  *plugin.Client
	protocol plugin.ClientProtocol
	mounts   []*mount
	pid      int
	// The time of checking the program before its start, as Vault does; and the times from `exec` of the program to its handshake
	// line, and to its first answer.
	check, handshake, firstAnswer time.Duration
}

// One mount of a plugin.
type mount struct {
	engine  engine
	backend logical.Backend
	storage *counted
	name    string
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
	mount string
}

func (multiplexed) Reload() error { return nil }

func (m multiplexed) Conn() grpc.ClientConnInterface { return m }

func (m multiplexed) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	ctx = metadata.AppendToOutgoingContext(ctx, "multiplex_id", m.mount)
	return m.ClientConnInterface.Invoke(ctx, method, args, reply, options...)
}

// Starts a plugin, sets a mount up and sends it the first request.
func start(ctx context.Context, engine engine) (*client, error) {
	runner := &timedRunner{command: exec.Command(engine.program, engine.args...)}
	checking := time.Now()
	// go-plugin's client would do the same as a part of the start.
	secure := plugin.SecureConfig{Checksum: engine.checksum, Hash: sha256.New()}
	if same, err := secure.Check(engine.program); err != nil || !same {
		return nil, fmt.Errorf("%s: the program changed, or cannot be read: %w", engine.name, err)
	}
	checked := time.Since(checking)
	process := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  vaultplugin.HandshakeConfig,
		VersionedPlugins: vaultplugin.PluginSet,
		RunnerFunc:       runner.prepare,
		AutoMTLS:         true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
		Stderr:           io.Discard,
		SyncStdout:       io.Discard,
		SyncStderr:       io.Discard,
	})
	if _, err := process.Start(); err != nil {
		return nil, fmt.Errorf("%s: it does not start: %w", engine.name, err)
	}
	started := &client{
		engine: engine, process: process, pid: runner.command.Process.Pid, check: checked, handshake: time.Since(runner.executed),
	}
	protocol, err := process.Client()
	if err == nil {
		started.protocol = protocol
		_, err = started.add(ctx)
	}
	if err != nil {
		process.Kill()
		return nil, fmt.Errorf("%s: %w", engine.name, err)
	}
	started.firstAnswer = time.Since(runner.executed)
	return started, nil
}

// Adds a mount with storage of its own, and sends it the first request.
func (c *client) add(ctx context.Context) (*mount, error) {
	name := fmt.Sprint("bench-", len(c.mounts))
	connection := c.protocol.(*plugin.GRPCClient).Conn
	backend, err := vaultplugin.Dispense(c.protocol, multiplexed{connection, c.protocol, name})
	if err != nil {
		return nil, err
	}
	m := &mount{engine: c.engine, backend: backend, storage: &counted{}, name: name}
	err = backend.Setup(ctx, &logical.BackendConfig{
		StorageView: m.storage,
		Logger:      hclog.NewNullLogger(),
		System:      logical.StaticSystemView{DefaultLeaseTTLVal: time.Hour, MaxLeaseTTLVal: time.Hour},
		BackendUUID: name,
		Config:      c.engine.options,
	})
	if err != nil {
		return nil, fmt.Errorf("the mount cannot be set up: %w", err)
	}
	backend.SpecialPaths()
	m.storage.ready.Store(true)
	if err := backend.Initialize(ctx, &logical.InitializationRequest{Storage: m.storage}); err != nil {
		return nil, fmt.Errorf("the mount cannot be initialized: %w", err)
	}
	c.mounts = append(c.mounts, m)
	return m, untilUpgraded(func() error { return m.write(ctx, 0, value) })
}

func (m *mount) request(operation logical.Operation, path string) *logical.Request {
	return &logical.Request{
		ID: "bench", Operation: operation, Path: path, MountPoint: m.name + "/", Storage: m.storage,
	}
}

func (m *mount) read(ctx context.Context, key int) error {
	return refused(m.backend.HandleRequest(ctx, m.request(logical.ReadOperation, m.engine.path(key))))
}

// Lists all keys, and checks that it gets as many as it expects.
func (m *mount) list(ctx context.Context, keys int) error {
	response, err := m.backend.HandleRequest(ctx, m.request(logical.ListOperation, m.engine.folder))
	if err := refused(response, err); err != nil {
		return err
	}
	if response == nil {
		return fmt.Errorf("the list has no answer")
	}
	if listed, _ := response.Data["keys"].([]any); len(listed) != keys {
		return fmt.Errorf("the list has %d keys in place of %d", len(listed), keys)
	}
	return nil
}

// Writes as Vault does: asks first whether the path exists.
func (m *mount) write(ctx context.Context, key int, value string) error {
	request := m.request(logical.UpdateOperation, m.engine.path(key))
	request.ID = fmt.Sprint("write-", key)
	request.Data = m.engine.data(value)
	found, exists, err := m.backend.HandleExistenceCheck(ctx, request)
	if err != nil {
		return err
	}
	if found && !exists {
		request.Operation = logical.CreateOperation
	}
	return refused(m.backend.HandleRequest(ctx, request))
}

func refused(response *logical.Response, err error) error {
	if err == nil && response.IsError() {
		err = response.Error()
	}
	return err
}

func (c *client) end() {
	for _, mount := range c.mounts {
		mount.backend.Cleanup(context.Background())
	}
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
