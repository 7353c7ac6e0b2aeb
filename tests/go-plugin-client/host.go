package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

// The time that a plugin has to end by itself before go-plugin kills it.
const killAfter = 2 * time.Second

// settings are the host's options for starting its plugin.
type settings struct {
	tls, mux bool
	version  int
	cookie   string
	env      []string
}

func defaults() settings { return settings{tls: true, version: 2, cookie: "7e6f1c"} }

// host is a go-plugin host with one plugin, and what can be seen of that plugin from outside.
type host struct {
	client *plugin.Client
	config *plugin.ClientConfig
	cmd    *exec.Cmd
	log    *buffer // the host's log, which has the plugin's lines in it
	stderr *buffer // the plugin's standard error as it came

	// A pipe whose writing end only the plugin has open once it runs, so that the pipe ends when the plugin does.
	alive, held *os.File
}

// newHost prepares a host without starting its plugin.
func newHost(path string, s settings) (*host, error) {
	alive, held, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	h := &host{cmd: exec.Command(path), log: &buffer{}, stderr: &buffer{}, alive: alive, held: held}
	h.cmd.ExtraFiles = []*os.File{held}
	h.cmd.Env = s.env
	h.config = &plugin.ClientConfig{
		HandshakeConfig:     plugin.HandshakeConfig{MagicCookieKey: "GREETER_PLUGIN", MagicCookieValue: s.cookie},
		VersionedPlugins:    map[int]plugin.PluginSet{s.version: {"greeter": greeterPlugin{}}},
		Cmd:                 h.cmd,
		AutoMTLS:            s.tls,
		GRPCBrokerMultiplex: s.mux,
		AllowedProtocols:    []plugin.Protocol{plugin.ProtocolGRPC},
		Stderr:              h.stderr,
		Logger:              hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: h.log, JSONFormat: true}),
	}
	h.client = plugin.NewClient(h.config)
	return h, nil
}

// start runs the plugin as far as the handshake.
func (h *host) start() error {
	_, err := h.client.Start()
	h.held.Close()
	return err
}

// connect runs the plugin and connects to it.
func (h *host) connect() (*greeter, error) {
	if err := h.start(); err != nil {
		return nil, err
	}
	protocol, err := h.client.Client()
	if err != nil {
		return nil, err
	}
	// The health service.
	if err := protocol.Ping(); err != nil {
		return nil, fmt.Errorf("ping: %w", err)
	}
	raw, err := protocol.Dispense("greeter")
	if err != nil {
		return nil, err
	}
	return raw.(*greeter), nil
}

// socket returns the path that the plugin listens on.
func (h *host) socket() string { return h.client.ReattachConfig().Addr.String() }

// waitEnd waits until the plugin's process has ended, and returns how it ended.
func (h *host) waitEnd(limit time.Duration) error {
	h.alive.SetReadDeadline(time.Now().Add(limit))
	if _, err := h.alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the plugin still runs after %v: %w", limit, err)
	}
	return h.gone()
}

// gone checks that nothing is left of the plugin's socket.
func (h *host) gone() error {
	for _, path := range []string{h.socket(), filepath.Dir(h.socket())} {
		if strings.Contains(path, "plugin") {
			if _, err := os.Stat(path); err == nil {
				return fmt.Errorf("%s is still there", path)
			}
		}
	}
	return nil
}

// kill ends the plugin as hosts do, and checks that it ended by itself and in order.
func (h *host) kill() error {
	begin := time.Now()
	h.client.Kill()
	if took := time.Since(begin); took > killAfter {
		return fmt.Errorf("the plugin took %v to end", took)
	}
	if strings.Contains(h.log.String(), "failed to exit gracefully") {
		return errors.New("the plugin had to be killed")
	}
	if !strings.Contains(h.stderr.String(), `"@message":"goodbye"`) {
		return errors.New("the plugin did not run its exit hook")
	}
	return h.gone()
}

// buffer collects what several goroutines write.
type buffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}
