package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

const bigMessage = 6 << 20

// greeting is the ordinary life of a plugin: many services of the host, dialled at the same time, and an orderly end.
func greeting(path string, s settings) error {
	return withGreeter(path, s, func(ctx context.Context, h *host, g *greeter) error {
		if version := h.client.NegotiatedVersion(); version != 2 {
			return fmt.Errorf("version %d was agreed on", version)
		}
		if err := inParallel(8, func(i int) error { return g.greetAs(ctx, fmt.Sprint("host", i)) }); err != nil {
			return err
		}
		if err := offerAfterRequest(ctx, g); err != nil {
			return err
		}
		return bigMessages(ctx, g)
	})
}

// offerAfterRequest names a service to the plugin before it offers it.
func offerAfterRequest(ctx context.Context, g *greeter) error {
	id := g.broker.NextId()
	time.AfterFunc(200*time.Millisecond, func() { g.serveName(id, "latecomer") })
	greeting, err := g.greet(ctx, id)
	if err == nil && greeting != "Hello, latecomer!" {
		err = fmt.Errorf("greeted by %q", greeting)
	}
	return err
}

func bigMessages(ctx context.Context, g *greeter) error {
	data := bytes.Repeat([]byte("0123456789abcdef"), bigMessage/16)
	back, err := g.echo(ctx, data)
	if err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	if !bytes.Equal(data, back) {
		return fmt.Errorf("an echo of %d bytes, not the same", len(back))
	}
	// The name goes from the host's service to the plugin, and back in the greeting.
	return g.greetAs(ctx, string(data))
}

// notOffered asks the plugin to dial a service that the host does not serve.
func notOffered(path string, s settings) error {
	return withGreeter(path, s, func(ctx context.Context, _ *host, g *greeter) error {
		_, err := g.greet(ctx, 99)
		const want = "the host did not offer its service 99 within 5 s"
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), want) {
			return fmt.Errorf("the plugin's answer is %v", err)
		}
		return nil
	})
}

// mismatch offers only a version that the plugin does not have.
func mismatch(path string, s settings) error {
	s.version = 9
	h, err := newHost(path, s)
	if err != nil {
		return err
	}
	defer h.client.Kill()
	err = h.start()
	const want = "Incompatible API version with plugin. Plugin version: 2, Client versions: [9]"
	if err == nil || err.Error() != want {
		return fmt.Errorf("the start gave %v", err)
	}
	return nil
}

// wrongCookie is a host that expects another kind of plugin.
func wrongCookie(path string, s settings) error {
	s.cookie = "another"
	h, err := newHost(path, s)
	if err != nil {
		return err
	}
	defer h.client.Kill()
	if err := h.start(); err == nil {
		return errors.New("it started")
	}
	// The client reads standard error to its end before it notices the exit.
	h.client.Kill()
	if want := "this program is a plugin"; !strings.HasPrefix(h.stderr.String(), want) {
		return fmt.Errorf("standard error is %q", h.stderr.String())
	}
	return nil
}

// burst cancels many calls at the same time, again and again, and goes on using the connection. The plugin is stopped
// meanwhile, so that it receives each call together with its cancellation, which must not disturb the calls that it has
// begun.
func burst(path string, s settings) error {
	return withGreeter(path, s, func(ctx context.Context, h *host, g *greeter) error {
		for range 4 {
			if err := h.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				return err
			}
			burst, cancel := context.WithCancel(ctx)
			var calls sync.WaitGroup
			for range 256 {
				calls.Go(func() { _ = g.wait(burst) })
			}
			// gRPC does not tell when a call has been sent, and it drops a cancelled call that has not.
			time.Sleep(300 * time.Millisecond)
			cancel()
			calls.Wait()
			time.Sleep(100 * time.Millisecond)
			if err := h.cmd.Process.Signal(syscall.SIGCONT); err != nil {
				return err
			}
		}
		// A new connection could not do this, because the plugin would have ended with the old one.
		return g.greetAs(ctx, "survivor")
	})
}

// killBusy ends the plugin while calls are in flight.
func killBusy(path string, s settings) error {
	return withGreeter(path, s, func(ctx context.Context, _ *host, g *greeter) error {
		for range 3 {
			go func() { _ = g.wait(ctx) }()
		}
		return g.greetAs(ctx, "impatient")
	})
}

// unanswered ends the plugin during calls as Vault does. Vault sends a failed call again if it already knows that the
// process has ended. So no call may fail before that, whether it is in flight or arrives meanwhile.
func unanswered(path string, s settings) error {
	return withGreeter(path, s, func(ctx context.Context, h *host, g *greeter) error {
		const calls = 16
		ends := make(chan error, 2*calls)
		until := func(failure func(context.Context) error) {
			call, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(g.done, cancel)()
			err := failure(call)
			if g.done.Err() != nil {
				err = nil
			}
			ends <- err
		}
		for range calls {
			go until(g.wait)
			go until(func(call context.Context) error {
				for {
					if _, err := g.echo(call, nil); err != nil {
						return err
					}
				}
			})
		}
		if err := g.greetAs(ctx, "reloader"); err != nil {
			return err
		}
		if err := h.kill(); err != nil {
			return err
		}
		for range 2 * calls {
			if err := <-ends; err != nil {
				return fmt.Errorf("a call failed before the host knew of the plugin's end: %w", err)
			}
		}
		return nil
	})
}

// disconnect closes the connection without notice, while the host's process lives on.
func disconnect(path string, s settings) error {
	h, err := newHost(path, s)
	if err != nil {
		return err
	}
	defer h.client.Kill()
	g, err := h.connect()
	if err != nil {
		return err
	}
	g.conn.Close()
	return h.waitEnd(killAfter)
}

// reconnect loses the connection that carried the broker's stream while another is open, as when a broken connection
// has been replaced: go-plugin does not open that stream again.
func reconnect(path string, s settings) error {
	h, err := newHost(path, s)
	if err != nil {
		return err
	}
	defer h.client.Kill()
	g, err := h.connect()
	if err != nil {
		return err
	}
	other, err := grpc.NewClient("unix:"+h.socket(), grpc.WithTransportCredentials(credentials.NewTLS(h.config.TLSConfig)))
	if err != nil {
		return err
	}
	defer other.Close()
	if _, err := (&greeter{conn: other}).echo(context.Background(), nil); err != nil {
		return err
	}
	g.conn.Close()
	return h.waitEnd(killAfter)
}

// terminate sends SIGINT, which the plugin must ignore, and SIGTERM, which it must obey.
func terminate(path string, s settings) error {
	h, err := newHost(path, s)
	if err != nil {
		return err
	}
	defer h.client.Kill()
	g, err := h.connect()
	if err != nil {
		return err
	}
	if err := h.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	if err := g.greetAs(context.Background(), "interrupter"); err != nil {
		return fmt.Errorf("after SIGINT: %w", err)
	}
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := h.waitEnd(killAfter); err != nil {
		return err
	}
	if !strings.Contains(h.stderr.String(), `"@message":"goodbye"`) {
		return errors.New("the plugin did not run its exit hook")
	}
	return nil
}

// place sets the socket's directory and group, as hosts do that run plugins in containers.
func place(path string, s settings) error {
	directory, err := os.MkdirTemp("", "place")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	group, err := user.LookupGroupId(strconv.Itoa(os.Getgid()))
	if err != nil {
		return err
	}
	for _, name := range []string{group.Name, group.Gid} {
		s.env = []string{"PLUGIN_UNIX_SOCKET_DIR=" + directory, "PLUGIN_UNIX_SOCKET_GROUP=" + name}
		err := withGreeter(path, s, func(ctx context.Context, h *host, g *greeter) error {
			if filepath.Dir(h.socket()) != directory {
				return fmt.Errorf("the socket is %s", h.socket())
			}
			info, err := os.Stat(h.socket())
			if err != nil {
				return err
			}
			if mode := info.Mode().Perm(); mode != 0o660 {
				return fmt.Errorf("the socket's mode is %o", mode)
			}
			if gid := info.Sys().(*syscall.Stat_t).Gid; strconv.Itoa(int(gid)) != group.Gid {
				return fmt.Errorf("the socket's group is %d", gid)
			}
			return g.greetAs(ctx, "placed")
		})
		if err != nil {
			return fmt.Errorf("group %s: %w", name, err)
		}
		if _, err := os.Stat(directory); err != nil {
			return fmt.Errorf("the host's directory is gone: %w", err)
		}
	}
	return nil
}

// logging checks that the plugin's lines are in the host's log with their original level and fields.
func logging(path string, s settings) error {
	h, err := newHost(path, s)
	if err != nil {
		return err
	}
	defer h.client.Kill()
	g, err := h.connect()
	if err != nil {
		return err
	}
	if err := g.greetAs(context.Background(), "listener"); err != nil {
		return err
	}
	if err := h.kill(); err != nil {
		return err
	}
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, `"@message":"greeting"`) {
			if !strings.Contains(line, `"@level":"info"`) || !strings.Contains(line, `"letters":8`) {
				return fmt.Errorf("the event arrived as %s", line)
			}
			if strings.Contains(h.log.String(), "h2::") || strings.Contains(h.log.String(), "h2.") {
				return errors.New("a library's events are in the log")
			}
			return nil
		}
	}
	return errors.New("the event is not in the host's log")
}

// strangers tries the socket in every wrong way, and checks that the host goes on.
func strangers(path string, s settings) error {
	return withGreeter(path, s, func(ctx context.Context, h *host, g *greeter) error {
		silent, err := net.Dial("unix", h.socket())
		if err != nil {
			return err
		}
		defer silent.Close()
		if err := refused(h.socket()); err != nil {
			return err
		}
		return g.greetAs(ctx, "rightful")
	})
}

// orphan waits to be killed, with a plugin that is connected or only started. The plugin inherits standard input, so
// that the killer can see how long the plugin lives.
func orphan(connected bool) func(string, settings) error {
	return func(path string, s settings) error {
		h, err := newHost(path, s)
		if err != nil {
			return err
		}
		if connected {
			_, err = h.connect()
		} else {
			err = h.start()
		}
		if err != nil {
			h.client.Kill()
			return err
		}
		fmt.Println(h.socket())
		select {}
	}
}

// withGreeter runs a plugin around body, and ends it as hosts do.
func withGreeter(path string, s settings, body func(context.Context, *host, *greeter) error) error {
	h, err := newHost(path, s)
	if err != nil {
		return err
	}
	defer h.client.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	g, err := h.connect()
	if err == nil {
		err = body(ctx, h, g)
	}
	if err == nil {
		err = h.kill()
	}
	if err != nil {
		return fmt.Errorf("%w\nthe plugin's standard error:\n%s", err, h.stderr)
	}
	return nil
}

func inParallel(n int, do func(i int) error) error {
	failures := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { failures[i] = do(i) })
	}
	all.Wait()
	return errors.Join(failures...)
}
