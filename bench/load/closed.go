package main

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/reno-mesh/reno/clients/go/renov1"
)

// loop is of callers that call again as soon as they are answered.
type loop struct {
	address              *string
	callers, connections *int
	seconds, warmup      *float64
}

func loopFlags(flags *flag.FlagSet, whose string, callers int) loop {
	return loop{
		address:     flags.String("address", "", "host:port of "+whose),
		callers:     flags.Int("callers", callers, "each with one call at a time"),
		connections: flags.Int("connections", 4, "that they share"),
		seconds:     flags.Float64("seconds", 10, "measured"),
		warmup:      flags.Float64("warmup", 2, "seconds before"),
	}
}

// run says what became of the calls.
func (l loop) run(once func(connection *grpc.ClientConn, number int64) error) error {
	open := make([]*grpc.ClientConn, *l.connections)
	for number := range open {
		connection, err := dial(*l.address, 32<<10)
		if err != nil {
			return err
		}
		defer connection.Close()
		open[number] = connection
	}
	var numbers, calls, failed atomic.Int64
	var mutex sync.Mutex
	errors := map[string]int64{}
	found := newDelays()
	began := time.Now().Add(time.Duration(*l.warmup * float64(time.Second)))
	ends := began.Add(time.Duration(*l.seconds * float64(time.Second)))
	var all sync.WaitGroup
	for caller := range *l.callers {
		all.Go(func() {
			for time.Now().Before(ends) {
				number := numbers.Add(1)
				started := time.Now()
				err := once(open[caller%len(open)], number)
				if started.Before(began) {
					continue
				}
				calls.Add(1)
				found.add(time.Since(started), 1)
				if err != nil {
					failed.Add(1)
					mutex.Lock()
					errors[status.Code(err).String()]++
					mutex.Unlock()
				}
			}
		})
	}
	time.Sleep(time.Until(began))
	say(map[string]any{"event": "measuring"})
	all.Wait()
	took := time.Since(began).Seconds()
	say(map[string]any{"event": "called", "calls": calls.Load(), "failed": failed.Load(), "errors": errors, "seconds": took, "per_s": float64(calls.Load()) / took, "answer": found.said()})
	return nil
}

func unary(arguments []string) error {
	flags := flag.NewFlagSet("unary", flag.ExitOnError)
	calling := loopFlags(flags, "ingestion", 64)
	members := flags.Uint64("members", 1_000_000, "drawn evenly")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	run := fmt.Sprintf("%08x-", uint32(time.Now().UnixNano()>>10))
	body := noise(117)
	return calling.run(func(connection *grpc.ClientConn, number int64) error {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "reno-source", "load")
		event := &renov1.Event{
			Id: fmt.Sprintf("%s%010d", run, number), Type: "bench.high",
			MemberId: memberName(int(mix(uint64(number)) % *members)), Payload: body,
		}
		_, err := renov1.NewIngestionServiceClient(connection).Publish(ctx, &renov1.PublishRequest{Event: event})
		return err
	})
}

func pull(arguments []string) error {
	flags := flag.NewFlagSet("pull", flag.ExitOnError)
	calling := loopFlags(flags, "the devices' door", 16)
	first := flags.Int("first", 0, "number of the first member")
	members := flags.Int("members", 10_000, "whose inboxes are pulled in turn")
	page := flags.Int("page", 50, "notifications")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	var rows atomic.Int64
	err := calling.run(func(connection *grpc.ClientConn, number int64) error {
		member := memberName(*first + int(number)%*members)
		ctx := metadata.AppendToOutgoingContext(context.Background(), "reno-member", member, "reno-device", "puller", "reno-class", "phone")
		request := &renov1.PullRequest{PageSize: int32(*page), StartAt: renov1.StartAt_START_AT_START}
		answer, err := renov1.NewNotificationServiceClient(connection).Pull(ctx, request)
		rows.Add(int64(len(answer.GetNotifications())))
		return err
	})
	say(map[string]any{"event": "pulled", "rows": rows.Load()})
	return err
}
