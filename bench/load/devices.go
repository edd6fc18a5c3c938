package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// fleet are the devices of this process.
type fleet struct {
	current, frames, since atomic.Int64
	notifications          [3]atomic.Int64
	lanes                  [3]*delays   // from when the event was due to when its frame was read
	reading                sync.RWMutex // locked while nobody reads
	mutex                  sync.Mutex
	ends                   map[string]int64
	returns                []back
	failed                 chan error // the first stream that could not be opened, where that ends it
}

// back is a device that had lost its stream; seconds of Unix time.
type back struct{ lost, framed, current float64 }

// device is one stream and what it needs to come back.
type device struct {
	ctx        context.Context
	connection *grpc.ClientConn
	cursor     string
	isCurrent  bool
}

func devices(arguments []string) error {
	flags := flag.NewFlagSet("devices", flag.ExitOnError)
	addresses := flags.String("addresses", "", "host:port of the devices' doors, with commas: a connection takes the first that answers")
	spread := flags.Bool("spread", false, "each connection begins with another of the addresses")
	first := flags.Int("first", 0, "number of the first device's member")
	count := flags.Int("count", 1000, "devices, each of a member of its own")
	connections := flags.Int("connections", 10, "that the devices share")
	window := flags.Int("window", 0, "bytes that a stream takes in unread, 65536 at least; 0: as gRPC sees fit")
	opening := flags.Int("opening", 64, "devices that are not current yet, at most")
	stay := flags.Bool("stay", true, "come back after a break; else the first error ends it")
	within := flags.Float64("within", 120, "seconds until all must be current; without --stay the result then says how many are")
	life := flags.Float64("life", 900, "seconds after which it ends by itself")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	f := &fleet{ends: map[string]int64{}, failed: make(chan error, 1)}
	for lane := range f.lanes {
		f.lanes[lane] = newDelays()
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	ctx, cancelLife := context.WithTimeout(ctx, time.Duration(*life*float64(time.Second)))
	defer cancelLife()
	listen := strings.Split(*addresses, ",")
	var open []*grpc.ClientConn
	for number := range *connections {
		from := 0
		if *spread {
			from = number % len(listen)
		}
		connection, err := dialFirst(append(listen[from:len(listen):len(listen)], listen[:from]...), 4<<10, windows(*window)...)
		if err != nil {
			return err
		}
		open = append(open, connection)
	}
	defer func() {
		for _, connection := range open {
			connection.Close()
		}
	}()

	started := time.Now()
	permits := make(chan struct{}, *opening)
	late := time.After(time.Duration(*within * float64(time.Second)))
	var stopped error
opening:
	for number := range *count {
		select {
		case permits <- struct{}{}:
		case stopped = <-f.failed:
			break opening
		case <-late:
			stopped = fmt.Errorf("only %d were current in time", f.current.Load())
			break opening
		case <-ctx.Done():
			return ctx.Err()
		}
		identity := metadata.AppendToOutgoingContext(ctx, "reno-member", memberName(*first+number), "reno-device", "d", "reno-class", "tv")
		one := &device{ctx: identity, connection: open[number%len(open)]}
		go f.live(one, permits, *stay)
	}
	for stopped == nil && f.current.Load() < int64(*count) {
		select {
		case stopped = <-f.failed:
		case <-late:
			stopped = fmt.Errorf("only %d were current in time", f.current.Load())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	took := time.Since(started).Seconds()
	if stopped != nil && *stay {
		return stopped
	}
	ready := map[string]any{"event": "ready", "current": f.current.Load(), "seconds": took, "per_s": float64(f.current.Load()) / took}
	if stopped != nil {
		ready["stopped"] = stopped.Error()
	}
	say(ready)
	f.obey(ctx)
	return nil
}

// obey takes words, one a line: count; stall and read, between which no device reads; since T, which forgets what was seen and counts only what was due from then on; end, as the end of the input.
func (f *fleet) obey(ctx context.Context) {
	words := make(chan string)
	go func() {
		defer close(words)
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			words <- strings.TrimSpace(lines.Text())
		}
	}()
	for {
		word, ok := "", false
		select {
		case word, ok = <-words:
		case <-ctx.Done():
		}
		switch {
		case ok && word == "count":
			say(f.counted())
		case ok && word == "stall":
			f.reading.Lock()
		case ok && word == "read":
			f.reading.Unlock()
		case ok && strings.HasPrefix(word, "since "):
			at := 0.0
			_, _ = fmt.Sscanf(word, "since %g", &at)
			f.since.Store(int64(at * 1e9))
			for lane := range f.lanes {
				f.notifications[lane].Store(0)
				f.lanes[lane].reset()
			}
			f.frames.Store(0)
			f.mutex.Lock()
			f.returns, f.ends = nil, map[string]int64{}
			f.mutex.Unlock()
			say(map[string]any{"event": "since"})
		default:
			said := f.counted()
			said["event"], said["returns"] = "ended", f.returned()
			say(said)
			return
		}
	}
}

func (f *fleet) counted() map[string]any {
	delays, all := map[string]any{}, int64(0)
	for lane, found := range f.lanes {
		if count := f.notifications[lane].Load(); count > 0 {
			delays[laneNames[lane]] = found.said()
			all += count
		}
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	ends := map[string]int64{}
	for reason, times := range f.ends {
		ends[reason] = times
	}
	return map[string]any{
		"event": "counted", "notifications": all, "delays": delays, "frames": f.frames.Load(),
		"current": f.current.Load(), "back": len(f.returns), "ends": ends,
	}
}

// returned are the times at which shares of those that came back did so, in order.
func (f *fleet) returned() map[string][]float64 {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	framed, current := []float64{}, []float64{}
	for _, one := range f.returns {
		framed, current = append(framed, one.framed), append(current, one.current)
	}
	sort.Float64s(framed)
	sort.Float64s(current)
	return map[string][]float64{"framed_unix_s": framed, "current_unix_s": current}
}
