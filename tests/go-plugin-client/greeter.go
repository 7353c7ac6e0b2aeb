package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The example's messages have one field each, with the number 1, like the well-known wrapper types, so the wrappers
// serve here in place of generated code.

// greeterPlugin makes the client of the example's service.
type greeterPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (greeterPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (greeterPlugin) GRPCClient(done context.Context, broker *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &greeter{done: done, broker: broker, conn: conn}, nil
}

// greeter calls the plugin.
type greeter struct {
	done   context.Context // is over once the host knows that the plugin's process has ended
	broker *plugin.GRPCBroker
	conn   *grpc.ClientConn
}

// greet asks the plugin to greet the host by the name that the host serves under id.
func (g *greeter) greet(ctx context.Context, id uint32) (string, error) {
	reply := &wrapperspb.StringValue{}
	err := g.conn.Invoke(ctx, "/greeter.Greeter/Greet", wrapperspb.UInt32(id), reply)
	return reply.Value, err
}

func (g *greeter) echo(ctx context.Context, data []byte) ([]byte, error) {
	reply := &wrapperspb.BytesValue{}
	err := g.conn.Invoke(ctx, "/greeter.Greeter/Echo", wrapperspb.Bytes(data), reply)
	return reply.Value, err
}

// wait makes a call that ends only when ctx does.
func (g *greeter) wait(ctx context.Context) error {
	return g.conn.Invoke(ctx, "/greeter.Greeter/Wait", &emptypb.Empty{}, &emptypb.Empty{})
}

// serveName serves the host's name to the plugin and returns at once.
func (g *greeter) serveName(id uint32, name string) {
	go g.broker.AcceptAndServe(id, func(options []grpc.ServerOption) *grpc.Server {
		server := grpc.NewServer(options...)
		server.RegisterService(&hostService, name)
		return server
	})
}

// greetAs serves a name and asks the plugin to greet the host by it.
func (g *greeter) greetAs(ctx context.Context, name string) error {
	id := g.broker.NextId()
	g.serveName(id, name)
	greeting, err := g.greet(ctx, id)
	if err != nil {
		return fmt.Errorf("greet by service %d: %w", id, err)
	}
	if want := "Hello, " + name + "!"; greeting != want {
		return fmt.Errorf("a greeting of %d bytes instead of %d", len(greeting), len(want))
	}
	return nil
}

var hostService = grpc.ServiceDesc{
	ServiceName: "greeter.Host",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Name",
		Handler: func(name any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			if err := decode(&emptypb.Empty{}); err != nil {
				return nil, err
			}
			return wrapperspb.String(name.(string)), nil
		},
	}},
}
