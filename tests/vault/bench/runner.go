package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"
)

// Starts a plugin's process as go-plugin does, and remembers when. Without it, the times of a start would count the pair of
// keys that the client makes first, and the copy of its own process that becomes the plugin.
type timedRunner struct {
	command        *exec.Cmd
	stdout, stderr io.ReadCloser
	// The time at which the process became the plugin's: Go returns from the start when `exec` has succeeded.
	executed time.Time
}

// Returns what `plugin.ClientConfig` takes as its `RunnerFunc`.
func (r *timedRunner) prepare(_ hclog.Logger, command *exec.Cmd, _ string) (runner.Runner, error) {
	r.command.Env = command.Env
	var err error
	if r.stdout, err = r.command.StdoutPipe(); err != nil {
		return nil, err
	}
	if r.stderr, err = r.command.StderrPipe(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *timedRunner) Start(context.Context) error {
	err := r.command.Start()
	r.executed = time.Now()
	return err
}

func (r *timedRunner) Wait(context.Context) error      { return r.command.Wait() }
func (r *timedRunner) Kill(context.Context) error      { return r.command.Process.Kill() }
func (r *timedRunner) Diagnose(context.Context) string { return "" }
func (r *timedRunner) Stdout() io.ReadCloser           { return r.stdout }
func (r *timedRunner) Stderr() io.ReadCloser           { return r.stderr }
func (r *timedRunner) Name() string                    { return r.command.Path }
func (r *timedRunner) ID() string                      { return fmt.Sprint(r.command.Process.Pid) }

func (r *timedRunner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (r *timedRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
