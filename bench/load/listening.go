package main

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/reno-mesh/reno/clients/go/renov1"
)

// live keeps a device's stream open, and comes back as the contract says.
func (f *fleet) live(one *device, permits chan struct{}, stay bool) {
	release := sync.OnceFunc(func() { <-permits })
	defer release()
	failures, lost := 0, 0.0
	for one.ctx.Err() == nil {
		delay, framed, err := f.listen(one, &lost, release)
		if one.ctx.Err() != nil {
			return
		}
		if one.isCurrent {
			one.isCurrent = false
			f.current.Add(-1)
			lost = now()
		}
		f.mutex.Lock()
		f.ends[ended(err)]++
		f.mutex.Unlock()
		if !stay {
			select {
			case f.failed <- err:
			default:
			}
			return
		}
		if framed {
			failures = 0
		}
		failures++
		if delay == 0 { // the terminal's devices wait likewise
			most := min(10.0, 0.2*float64(int(1)<<min(failures-1, 10)))
			delay = time.Duration(rand.Float64() * most * float64(time.Second))
		}
		time.Sleep(delay)
	}
}

func now() float64 { return float64(time.Now().UnixNano()) / 1e9 }

func ended(err error) string {
	if err == io.EOF {
		return "EOF"
	}
	state := status.Convert(err)
	word, _, _ := strings.Cut(state.Message(), ":")
	if word != strings.ToUpper(word) || strings.Contains(word, " ") {
		word = ""
	}
	return strings.TrimSpace(state.Code().String() + " " + word)
}

// listen reads one stream until it ends.
func (f *fleet) listen(one *device, lost *float64, release func()) (delay time.Duration, framed bool, err error) {
	ctx, cancel := context.WithCancel(one.ctx)
	defer cancel()
	description := &renov1.NotificationService_ServiceDesc.Streams[0]
	call, err := one.connection.NewStream(ctx, description, renov1.NotificationService_Subscribe_FullMethodName, grpc.ForceCodecV2(bytesCodec{}), grpc.WaitForReady(true))
	if err != nil {
		return 0, false, err
	}
	request, err := proto.Marshal(&renov1.SubscribeRequest{Cursor: one.cursor})
	if err != nil {
		return 0, false, err
	}
	if err := call.SendMsg(&request); err != nil && err != io.EOF {
		return 0, false, err
	}
	if err := call.CloseSend(); err != nil {
		return 0, false, err
	}
	firstFrame := 0.0
	var frame []byte
	for {
		if err := call.RecvMsg(&frame); err != nil {
			return delay, framed, err
		}
		f.reading.RLock()
		f.reading.RUnlock()
		if !framed {
			framed, firstFrame = true, now()
		}
		read := f.read(frame, one)
		delay = max(delay, read.delay)
		if read.caughtUp && !one.isCurrent {
			one.isCurrent = true
			f.current.Add(1)
			release()
			if *lost > 0 {
				f.mutex.Lock()
				f.returns = append(f.returns, back{*lost, firstFrame, now()})
				f.mutex.Unlock()
				*lost = 0
			}
		}
	}
}

type seen struct {
	caughtUp bool
	delay    time.Duration
}

// read counts a frame's notifications.
func (f *fleet) read(frame []byte, one *device) seen {
	var found seen
	at := time.Now()
	f.frames.Add(1)
	_ = fields(frame, func(field protowire.Number, number uint64, content []byte) {
		switch field {
		case 1:
			lane, due := notification(content)
			if lane < 0 || lane > 2 || due.UnixNano() < f.since.Load() {
				return
			}
			f.notifications[lane].Add(1)
			f.lanes[lane].add(at.Sub(due), 1)
		case 2:
			if string(content) != one.cursor {
				one.cursor = string(content)
			}
		case 3:
			found.caughtUp = number == 1
		case 5:
			var reconnect renov1.Reconnect
			if proto.Unmarshal(content, &reconnect) == nil {
				found.delay = max(time.Millisecond, reconnect.GetDelay().AsDuration())
			}
		}
	})
	return found
}

// notification is its lane, and when it was due: occurred_at.
func notification(content []byte) (lane int, due time.Time) {
	lane = -1
	seconds, nanos := int64(0), int64(0)
	_ = fields(content, func(field protowire.Number, number uint64, inner []byte) {
		switch field {
		case 6:
			_ = fields(inner, func(field protowire.Number, number uint64, _ []byte) {
				if field == 1 {
					seconds = int64(number)
				} else {
					nanos = int64(number)
				}
			})
		case 7:
			lane = int(number) - 1
		}
	})
	return lane, time.Unix(seconds, nanos)
}
