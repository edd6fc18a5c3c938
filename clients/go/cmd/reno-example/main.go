// Command reno-example publishes an event, subscribes as a device, or does both and waits for its own event to arrive.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/reno-mesh/reno/clients/go/renov1"
)

const usage = `usage: reno-example publish|subscribe|roundtrip [flags]

  publish     hands one event in and prints its receipt
  subscribe   prints notifications as JSON, one a line, for as long as -timeout says
  roundtrip   subscribes, publishes, and ends with 0 when its own event has arrived

`

const exitUncertain = 75 // repeat with the same id, as the reno command says it

type options struct {
	ingestion, devices               string
	member, device, class, source    string
	eventType, id, mergeKey, payload string
	timeout                          time.Duration
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	verb, opts := os.Args[1], options{}
	flags := flag.NewFlagSet(verb, flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage); flags.PrintDefaults() }
	flags.StringVar(&opts.ingestion, "ingestion", "127.0.0.1:7400", "backends' door")
	flags.StringVar(&opts.devices, "devices", "127.0.0.1:7401", "devices' door")
	flags.StringVar(&opts.member, "member", "anna", "whose devices are told")
	flags.StringVar(&opts.device, "device", "tv-1", "the device that subscribes")
	flags.StringVar(&opts.class, "class", "tv", "its class")
	flags.StringVar(&opts.source, "source", "reno-example", "the backend that publishes")
	flags.StringVar(&opts.eventType, "type", "profile.changed", "the event's type")
	flags.StringVar(&opts.id, "id", "", "the event's id; a new one when empty")
	flags.StringVar(&opts.mergeKey, "merge-key", "", "the event's merge key")
	flags.StringVar(&opts.payload, "payload", "{}", "the event's JSON")
	flags.DurationVar(&opts.timeout, "timeout", 20*time.Second, "give up after this long")

	verbs := map[string]func(context.Context, options) error{
		"publish": runPublish, "subscribe": runSubscribe, "roundtrip": runRoundtrip,
	}
	run, known := verbs[verb]
	if !known {
		if verb == "-h" || verb == "-help" || verb == "--help" {
			flags.SetOutput(os.Stdout)
			flags.Usage()
			return
		}
		flags.Usage()
		os.Exit(2)
	}
	if err := flags.Parse(os.Args[2:]); err != nil {
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), opts.timeout)
	defer cancel()
	err := run(ctx, opts)
	if uncertain := (*uncertainError)(nil); errors.As(err, &uncertain) {
		fmt.Fprintf(os.Stderr, "uncertain: repeat with -id %s\n", uncertain.id)
		os.Exit(exitUncertain)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reno-example:", err)
		os.Exit(1)
	}
}

func runPublish(ctx context.Context, opts options) error {
	event := newEvent(opts)
	receipt, err := publish(ctx, opts, event)
	if err != nil {
		return err
	}
	fmt.Printf("accepted %s %s position %d\n", event.GetId(), receipt.GetPriority(), receipt.GetPosition())
	return nil
}

func runSubscribe(ctx context.Context, opts options) error {
	opened := make(chan struct{})
	err := subscribe(ctx, opts, opened, func(*renov1.Notification) bool { return false })
	select {
	case <-opened:
		if ctx.Err() != nil {
			return nil // as long as was asked for
		}
	default:
	}
	return err
}

func runRoundtrip(ctx context.Context, opts options) error {
	event := newEvent(opts)
	opened, published := make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-opened:
		case <-ctx.Done():
			return
		}
		_, err := publish(ctx, opts, event)
		if err != nil {
			cancel(err)
		}
		published <- err
	}()
	arrived := func(notification *renov1.Notification) bool { return notification.GetEventId() == event.GetId() }
	if err := subscribe(ctx, opts, opened, arrived); err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
			return cause
		}
		return err
	}
	return <-published
}
