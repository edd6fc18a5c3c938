// Load for RENO's measurements, from the generated client's contract. Each subcommand prints JSON objects, one a line; the last is its result.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

var commands = map[string]func([]string) error{
	"publish": publish,
	"devices": devices,
	"unary":   unary,
	"pull":    pull,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "reno-load publish|devices|unary|pull --help")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "reno-load:", err)
		os.Exit(1)
	}
}

// say prints one line.
func say(what any) {
	line, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

// dial opens a connection of its own; small buffers, so that thousands fit.
func dial(address string, bufferBytes int) (*grpc.ClientConn, error) {
	return dialFirst([]string{address}, bufferBytes)
}

// dialFirst connects to the first of the addresses that answers, and after a break again.
func dialFirst(addresses []string, bufferBytes int, further ...grpc.DialOption) (*grpc.ClientConn, error) {
	places := manual.NewBuilderWithScheme("doors")
	var state resolver.State
	for _, address := range addresses {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	places.InitialState(state)
	return grpc.NewClient("doors:///reno", append(further,
		grpc.WithResolvers(places),
		grpc.WithAuthority(addresses[0]),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithReadBufferSize(bufferBytes),
		grpc.WithWriteBufferSize(bufferBytes),
		grpc.WithSharedWriteBuffer(true),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}, MinConnectTimeout: 5 * time.Second}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 60 * time.Second, Timeout: 20 * time.Second}),
	)...)
}

// windows are of a stream and of its connection, which must not be full before its streams are; without bytes gRPC finds them itself.
func windows(bytes int) []grpc.DialOption {
	if bytes == 0 {
		return nil
	}
	return []grpc.DialOption{grpc.WithInitialWindowSize(int32(bytes)), grpc.WithInitialConnWindowSize(16 << 20)}
}
