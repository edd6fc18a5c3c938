package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/reno-mesh/reno/clients/go/renov1"
)

func madeUp() *workload {
	return &workload{
		run: "00000000-", types: [3]string{"bench.high", "bench.medium", "bench.low"}, shares: [3]int{10, 30, 60},
		members: 1_000_000, online: 10_000, repeats: 100, stales: 50, payload: noise(1<<16 + 117), size: 117,
		start: time.Unix(1_800_000_000, 0), perEvent: 1e9 / 150_000, batch: 500,
	}
}

func event(t *testing.T, w *workload, n uint64, count *tally) *renov1.Event {
	t.Helper()
	var request renov1.PublishBatchRequest
	if err := proto.Unmarshal(w.appendEvent(nil, 1, n, count), &request); err != nil || len(request.Events) != 1 {
		t.Fatalf("event %d: %v", n, err)
	}
	return request.Events[0]
}

func TestEventsAreOfTheContractAndOfTheSizeThatIsSaid(t *testing.T) {
	w, bytes := madeUp(), 0
	for n := range uint64(1000) {
		one := event(t, w, n, &tally{})
		bytes += proto.Size(one) + 3
		if len(one.Id) != 19 || !strings.HasPrefix(one.MemberId, "m") || len(one.Payload) != 117 {
			t.Fatalf("%v", one)
		}
	}
	if mean := bytes / 1000; mean < 170 || mean > 180 {
		t.Errorf("%d bytes an event", mean)
	}
}

func TestARepeatIsTheEarlierEventAgain(t *testing.T) {
	w, found := madeUp(), 0
	for n := uint64(200_000); n < 201_000; n++ {
		if w.kind(n) != repeated {
			continue
		}
		found++
		again, first := event(t, w, n, &tally{}), event(t, w, w.original(n), &tally{})
		if !proto.Equal(again, first) {
			t.Fatalf("%v is not %v", again, first)
		}
		if n-w.original(n) < w.batch {
			t.Errorf("%d repeats one of its own batch", n)
		}
	}
	if found < 70 || found > 130 {
		t.Errorf("%d of 1,000 are repeats", found)
	}
}

func TestTheMixIsWhatWasAsked(t *testing.T) {
	w, count := madeUp(), tally{}
	for n := uint64(200_000); n < 300_000; n++ {
		w.appendEvent(nil, 1, n, &count)
	}
	all := count.fresh[0] + count.fresh[1] + count.fresh[2]
	near := func(name string, got, of int64, share float64) {
		if is := float64(got) / float64(of); is < share*0.9 || is > share*1.1 {
			t.Errorf("%s: %.3f instead of %.3f", name, is, share)
		}
	}
	near("high", count.fresh[0], all, 0.1)
	near("medium", count.fresh[1], all, 0.3)
	near("low", count.fresh[2], all, 0.6)
	near("repeated", count.repeated, count.sent, 0.1)
	near("stale", count.stale, count.sent, 0.05)
	near("online", count.freshOnline[0]+count.freshOnline[1]+count.freshOnline[2], all, 0.01)
}

func TestAnswersAreCounted(t *testing.T) {
	response, err := proto.Marshal(&renov1.PublishStreamResponse{BatchId: 7, Results: []*renov1.PublishResult{
		{Status: renov1.PublishResult_STATUS_ACCEPTED, Position: 1 << 40},
		{Status: renov1.PublishResult_STATUS_UNCERTAIN},
		{Status: renov1.PublishResult_STATUS_REFUSED, Refusal: &renov1.Refusal{Reason: renov1.Reason_REASON_STALE, Message: "old"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	a := newAnswers()
	batch, err := a.results(response, 2)
	if err != nil || batch != 7 || a.accepted != 1 || a.uncertain != 1 || a.refused["REASON_STALE"] != 1 {
		t.Errorf("%d %d %d %v %v", batch, a.accepted, a.uncertain, a.refused, err)
	}
}

func TestAFrameIsCountedByLaneAndDelay(t *testing.T) {
	f := &fleet{}
	for lane := range f.lanes {
		f.lanes[lane] = newDelays()
	}
	due := time.Now().Add(-10 * time.Millisecond)
	one := &renov1.Notification{Priority: renov1.Priority_PRIORITY_MEDIUM, OccurredAt: timestamppb.New(due)}
	frame, err := proto.Marshal(&renov1.SubscribeResponse{Notifications: []*renov1.Notification{one}, Cursor: "c", CaughtUp: true})
	if err != nil {
		t.Fatal(err)
	}
	reader := &device{}
	if read := f.read(frame, reader); !read.caughtUp || reader.cursor != "c" || f.notifications[1].Load() != 1 {
		t.Errorf("%v %v", read, reader)
	}
	if median := f.lanes[1].said()["p50_ms"].(float64); median < 9.9 || median > 5000 {
		t.Errorf("%g ms", median)
	}
}
