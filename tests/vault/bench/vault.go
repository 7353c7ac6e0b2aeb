package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// A real Vault in development mode, with the plugins in its plugin directory.
type server struct {
	command *exec.Cmd
	address string
	http    *http.Client
	folder  string
}

const token = "bench"

func startVault(program string, callers int) (*server, error) {
	folder, err := os.MkdirTemp("", "airlock-bench-")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	address := listener.Addr().String()
	listener.Close()
	command := exec.Command(program, "server", "-dev", "-dev-root-token-id="+token, "-dev-listen-address="+address,
		"-dev-no-store-token", "-dev-plugin-dir="+folder, "-log-level=error")
	// The server writes files into the home folder of its user.
	command.Env = append(os.Environ(), "HOME="+folder)
	if err := command.Start(); err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: callers, MaxConnsPerHost: callers}
	vault := &server{command: command, address: address, http: &http.Client{Transport: transport}, folder: folder}
	for until := time.Now().Add(30 * time.Second); ; {
		err := vault.call(http.MethodGet, "sys/health", nil)
		if err == nil {
			return vault, nil
		}
		if time.Now().After(until) {
			vault.end()
			return nil, fmt.Errorf("the Vault server does not answer: %w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *server) end() {
	s.command.Process.Signal(os.Interrupt)
	s.command.Wait()
	os.RemoveAll(s.folder)
}

// Registers an engine's program as a plugin and mounts it. A built-in engine is only mounted.
func (s *server) mount(engine engine) error {
	kind := engine.name
	if engine.builtin != "" {
		kind = engine.builtin
	} else {
		name := filepath.Join(s.folder, engine.name)
		if err := copyProgram(engine.program, name); err != nil {
			return err
		}
		register := map[string]any{
			"sha256": hex.EncodeToString(engine.checksum), "command": engine.name, "args": engine.args,
		}
		if err := s.call(http.MethodPut, "sys/plugins/catalog/secret/"+engine.name, register); err != nil {
			return err
		}
	}
	mount := map[string]any{"type": kind}
	if engine.builtin != "" {
		mount["options"] = engine.options
	}
	if err := s.call(http.MethodPost, "sys/mounts/"+engine.name, mount); err != nil {
		return err
	}
	if engine.builtin == "" && engine.options != nil {
		// Vault lets an external engine have a version only once it is mounted.
		tune := map[string]any{"options": engine.options}
		if err := s.call(http.MethodPost, "sys/mounts/"+engine.name+"/tune", tune); err != nil {
			return err
		}
	}
	return untilUpgraded(func() error { return s.write(engine, 0) })
}

func (s *server) read(engine engine, key int) error {
	return s.call(http.MethodGet, engine.name+"/"+engine.path(key), nil)
}

func (s *server) write(engine engine, key int) error {
	return s.call(http.MethodPost, engine.name+"/"+engine.path(key), engine.data(value))
}

func (s *server) call(method, path string, body map[string]any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, "http://"+s.address+"/v1/"+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("X-Vault-Token", token)
	answer, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: status %d: %s", method, path, answer.StatusCode, text)
	}
	return err
}

// Returns the process that serves an engine, or zero for a built-in one.
func (s *server) process(engine engine) int {
	program := filepath.Join(s.folder, engine.name)
	processes, _ := os.ReadDir("/proc")
	for _, process := range processes {
		target, err := os.Readlink(filepath.Join("/proc", process.Name(), "exe"))
		if pid, number := strconv.Atoi(process.Name()); err == nil && number == nil && target == program {
			return pid
		}
	}
	return 0
}

// Vault refuses symbolic links in its plugin directory.
func copyProgram(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}
