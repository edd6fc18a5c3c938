package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
)

// pace says when batch after batch is due; batches that nobody can take are counted as not sent.
type pace struct {
	due   time.Time
	first uint64 // its first event
	id    int64
}

type publisher struct {
	work     *workload
	answers  *answers
	measured func(first uint64) bool
	counts   sync.Mutex
	total    tally
}

func (p *publisher) fill(one pace, tag protowire.Number, into []byte) []byte {
	var count tally
	for n := one.first; n < one.first+p.work.batch; n++ {
		into = p.work.appendEvent(into, tag, n, &count)
	}
	if p.measured(one.first) {
		p.counts.Lock()
		p.total.add(&count)
		p.counts.Unlock()
	}
	return into
}

func (t *tally) add(other *tally) {
	t.sent += other.sent
	t.repeated += other.repeated
	t.stale += other.stale
	for lane := range t.fresh {
		t.fresh[lane] += other.fresh[lane]
		t.freshOnline[lane] += other.freshOnline[lane]
	}
}

func publish(arguments []string) error {
	flags := flag.NewFlagSet("publish", flag.ExitOnError)
	address := flags.String("address", "", "host:port of ingestion")
	rate := flags.Float64("rate", 10_000, "events a second, in all")
	seconds := flags.Float64("seconds", 10, "measured")
	warmup := flags.Float64("warmup", 0, "seconds before, not counted")
	members := flags.Uint64("members", 1_000_000, "drawn evenly")
	firstMember := flags.Uint64("first", 0, "number of the first member")
	inTurn := flags.Bool("in-turn", false, "one member after the other, not drawn")
	online := flags.Uint64("online", 0, "the first so many have a device: their events are counted apart")
	shares := flags.String("shares", "10,30,60", "percent of high, medium, low")
	payload := flags.Int("payload", 117, "bytes; 117 make an event of 175")
	repeats := flags.Float64("repeats", 0, "share of events that repeat an earlier one")
	stales := flags.Float64("stale", 0, "share of events that are too old")
	batch := flags.Uint64("batch", 500, "events")
	streams := flags.Int("streams", 4, "PublishStream calls, or callers of Publish where a batch is one event")
	source := flags.String("source", "load", "reno-source")
	maxWaiting := flags.Int("max-waiting", 2_000, "batches that wait for a stream; more are not sent")
	drain := flags.Float64("drain", 30, "seconds to wait for the last answers")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	work := &workload{
		run:      fmt.Sprintf("%08x-", uint32(time.Now().UnixNano()>>10)),
		types:    [3]string{"bench.high", "bench.medium", "bench.low"},
		members:  *members,
		first:    *firstMember,
		inTurn:   *inTurn,
		online:   *online,
		repeats:  uint64(*repeats * 1000),
		stales:   uint64(*stales * 1000),
		payload:  noise(1<<16 + *payload),
		size:     *payload,
		perEvent: 1e9 / *rate,
		batch:    *batch,
	}
	if _, err := fmt.Sscanf(*shares, "%d,%d,%d", &work.shares[0], &work.shares[1], &work.shares[2]); err != nil {
		return fmt.Errorf("shares: %w", err)
	}

	batches := func(seconds float64) uint64 { return uint64(math.Round(seconds * *rate / float64(*batch))) }
	before := batches(*warmup)
	all := before + batches(*seconds)
	p := &publisher{
		work:     work,
		answers:  newAnswers(),
		measured: func(first uint64) bool { return first >= before**batch },
	}
	ctx := metadata.AppendToOutgoingContext(context.Background(), "reno-source", *source)
	waiting := make(chan pace, *maxWaiting)
	var senders sync.WaitGroup
	failed := make(chan error, *streams)
	for range *streams {
		connection, err := dial(*address, 128<<10)
		if err != nil {
			return err
		}
		defer connection.Close()
		ready := make(chan error, 1)
		senders.Go(func() {
			var err error
			if *batch == 1 {
				err = p.call(ctx, connection, waiting, ready)
			} else {
				err = p.stream(ctx, connection, waiting, ready)
			}
			if err != nil {
				failed <- err
			}
		})
		if err := <-ready; err != nil {
			return err
		}
	}

	work.start = time.Now().Add(20 * time.Millisecond)
	say(map[string]any{"event": "started"})
	notSent := int64(0)
	for number := uint64(0); number < all; number++ {
		first := number * *batch
		due := work.due(first)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if number == before {
			say(map[string]any{"event": "measuring", "at_unix_s": float64(due.UnixNano()) / 1e9})
		}
		select {
		case waiting <- pace{due, first, int64(number)}:
		default:
			if number >= before {
				notSent += int64(*batch)
			}
		}
	}
	offered := time.Since(work.due(before * *batch)).Seconds()
	say(map[string]any{"event": "offered"})
	close(waiting)
	done := make(chan struct{})
	go func() { senders.Wait(); close(done) }()
	select {
	case <-done:
	case err := <-failed:
		return err
	case <-time.After(time.Duration(*drain * float64(time.Second))):
		return fmt.Errorf("not everything was answered within %g s", *drain)
	}
	select {
	case err := <-failed:
		return err
	default:
	}
	answered := time.Since(work.due(before * *batch)).Seconds()
	a, t := p.answers, &p.total
	say(map[string]any{
		"event":      "published",
		"offered_s":  offered,
		"answered_s": answered,
		"sent":       t.sent, "not_sent": notSent,
		"sent_repeated": t.repeated, "sent_stale": t.stale,
		"fresh": byLane(t.fresh), "fresh_online": byLane(t.freshOnline),
		"accepted": a.accepted, "uncertain": a.uncertain, "refused": a.refused,
		"answer": a.delays.said(),
	})
	return nil
}

func byLane(counts [3]int64) map[string]int64 {
	found := map[string]int64{}
	for lane, count := range counts {
		found[laneNames[lane]] = count
	}
	return found
}

func noise(length int) []byte {
	random := rand.NewChaCha8([32]byte{})
	found := make([]byte, length)
	_, _ = random.Read(found)
	return found
}
