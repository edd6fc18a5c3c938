package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/reno-mesh/reno/clients/go/renov1"
)

const unansweredBatches = 16 // of a stream, by the contract

// answers count what the door said.
type answers struct {
	mutex     sync.Mutex
	accepted  int64
	uncertain int64
	refused   map[string]int64
	delays    *delays
}

func newAnswers() *answers { return &answers{refused: map[string]int64{}, delays: newDelays()} }

// results reads a response's results: field `tag` of it.
func (a *answers) results(response []byte, tag protowire.Number) (batch int64, err error) {
	accepted, uncertain := int64(0), int64(0)
	var refused map[string]int64
	err = fields(response, func(field protowire.Number, number uint64, content []byte) {
		switch {
		case field == tag && content != nil:
			state, reason := result(content)
			switch renov1.PublishResult_Status(state) {
			case renov1.PublishResult_STATUS_ACCEPTED:
				accepted++
			case renov1.PublishResult_STATUS_UNCERTAIN:
				uncertain++
			default:
				if refused == nil {
					refused = map[string]int64{}
				}
				refused[reasonName(reason)]++
			}
		case field == 1 && tag == 2:
			batch = int64(number)
		case field == 3 && tag == 2:
			_, reason := refusal(content)
			if refused == nil {
				refused = map[string]int64{}
			}
			refused["WHOLE_BATCH_"+reasonName(reason)]++
		}
	})
	a.mutex.Lock()
	a.accepted += accepted
	a.uncertain += uncertain
	for reason, times := range refused {
		a.refused[reason] += times
	}
	a.mutex.Unlock()
	return batch, err
}

func result(content []byte) (state uint64, reason uint64) {
	_ = fields(content, func(field protowire.Number, number uint64, inner []byte) {
		switch field {
		case 1:
			state = number
		case 4:
			_, reason = refusal(inner)
		}
	})
	return state, reason
}

func refusal(content []byte) (ok bool, reason uint64) {
	_ = fields(content, func(field protowire.Number, number uint64, _ []byte) {
		if field == 1 {
			reason = number
		}
	})
	return true, reason
}

func reasonName(reason uint64) string { return renov1.Reason(reason).String() }

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

// stream sends over one PublishStream; the delay of an event is from when its batch was due.
func (p *publisher) stream(ctx context.Context, connection *grpc.ClientConn, waiting <-chan pace, ready chan<- error) error {
	description := &renov1.IngestionService_ServiceDesc.Streams[0]
	call, err := connection.NewStream(ctx, description, renov1.IngestionService_PublishStream_FullMethodName, grpc.ForceCodecV2(bytesCodec{}), grpc.WaitForReady(true))
	ready <- err
	if err != nil {
		return nil
	}
	var mutex sync.Mutex
	open := map[int64]pace{}
	permits := make(chan struct{}, unansweredBatches)
	received := make(chan error, 1)
	go func() {
		var response []byte
		unmeasured := newAnswers()
		for {
			if err := call.RecvMsg(&response); err != nil {
				received <- err
				return
			}
			batch := int64(0)
			_ = fields(response[:min(len(response), 12)], func(field protowire.Number, number uint64, _ []byte) {
				if field == 1 {
					batch = int64(number)
				}
			})
			mutex.Lock()
			one := open[batch]
			delete(open, batch)
			mutex.Unlock()
			into := unmeasured
			if p.measured(one.first) {
				into = p.answers
				into.delays.add(time.Since(one.due), int64(p.work.batch))
			}
			if _, err := into.results(response, 2); err != nil {
				received <- err
				return
			}
			<-permits
		}
	}()
	pool := mem.DefaultBufferPool()
	size := 256 * int(p.work.batch) // a guess that the pool's size class covers
	for one := range waiting {
		select {
		case permits <- struct{}{}:
		case err := <-received:
			return fmt.Errorf("PublishStream: %w", err)
		}
		mutex.Lock()
		open[one.id] = one
		mutex.Unlock()
		buffer := pool.Get(max(size, p.work.size*int(p.work.batch)+size))
		request := append((*buffer)[:0], 1<<3)
		request = protowire.AppendVarint(request, uint64(one.id))
		*buffer = p.fill(one, 2, request)
		if err := call.SendMsg(buffer); err != nil {
			return fmt.Errorf("PublishStream: %w", <-received)
		}
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	if err := <-received; err != io.EOF {
		return fmt.Errorf("PublishStream: %w", err)
	}
	return nil
}

// call sends one event a call, one call at a time.
func (p *publisher) call(ctx context.Context, connection *grpc.ClientConn, waiting <-chan pace, ready chan<- error) error {
	ready <- nil
	var response []byte
	pool := mem.DefaultBufferPool()
	for one := range waiting {
		buffer := pool.Get(512 + p.work.size)
		*buffer = p.fill(one, 1, (*buffer)[:0])
		err := connection.Invoke(ctx, renov1.IngestionService_Publish_FullMethodName, buffer, &response, grpc.ForceCodecV2(bytesCodec{}), grpc.WaitForReady(true))
		if !p.measured(one.first) {
			continue
		}
		p.answers.delays.add(time.Since(one.due), 1)
		p.answers.mutex.Lock()
		if err == nil {
			p.answers.accepted++
		} else {
			p.answers.refused[status.Code(err).String()]++
		}
		p.answers.mutex.Unlock()
	}
	return nil
}
