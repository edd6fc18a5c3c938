package main

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	memberDigits  = 7
	repeatNearest = 2_000   // events: beyond one batch, within which the door itself refuses a repeat
	repeatSpan    = 100_000 // events: seconds at full load, well inside the duplicate window
	staleAge      = 26 * time.Hour
)

var laneNames = [3]string{"high", "medium", "low"}

// what is an event's part in the workload.
type what int

const (
	fresh what = iota
	repeated
	stale
)

// workload says what the n-th event is, from n alone: an event can be sent again without having been kept.
type workload struct {
	run      string
	types    [3]string
	shares   [3]int // of 100
	members  uint64
	first    uint64 // number of the first member
	inTurn   bool   // one member after the other, else drawn evenly
	online   uint64 // the first so many members have a device
	repeats  uint64 // of 1,000
	stales   uint64 // of 1,000
	payload  []byte // slices of it are payloads
	size     int
	start    time.Time
	perEvent float64 // ns from one event to the next
	batch    uint64
}

// mix is splitmix64's finaliser.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (w *workload) kind(n uint64) what {
	draw := mix(n) % 1000
	switch {
	case draw < w.repeats && n > repeatNearest+repeatSpan:
		return repeated
	case draw >= w.repeats && draw < w.repeats+w.stales:
		return stale
	}
	return fresh
}

// original is the fresh event that the n-th repeats.
func (w *workload) original(n uint64) uint64 {
	n -= repeatNearest + mix(n^0xabcdef)%repeatSpan
	for w.kind(n) != fresh {
		n--
	}
	return n
}

func (w *workload) member(n uint64) uint64 {
	if w.inTurn {
		return w.first + n%w.members
	}
	return w.first + mix(n^0x5555)%w.members
}

func (w *workload) lane(n uint64) int {
	draw := int(mix(n^0x7777) % 100)
	if draw < w.shares[0] {
		return 0
	}
	if draw < w.shares[0]+w.shares[1] {
		return 1
	}
	return 2
}

// due is when the batch of the n-th event is to be sent.
func (w *workload) due(n uint64) time.Time {
	return w.start.Add(time.Duration(float64(n/w.batch*w.batch) * w.perEvent))
}

// tally counts what was sent.
type tally struct {
	sent, repeated, stale int64
	fresh                 [3]int64
	freshOnline           [3]int64 // of members with a device
}

// appendEvent adds the n-th event as field `tag` of a request.
func (w *workload) appendEvent(request []byte, tag protowire.Number, n uint64, count *tally) []byte {
	kind := w.kind(n)
	count.sent++
	switch kind {
	case repeated:
		n = w.original(n)
		count.repeated++
	case stale:
		count.stale++
	}
	lane, member := w.lane(n), w.member(n)
	if kind == fresh {
		count.fresh[lane]++
		if member < w.online {
			count.freshOnline[lane]++
		}
	}
	at := w.due(n)
	if kind == stale {
		at = at.Add(-staleAge)
	}
	seconds, nanos := uint64(at.Unix()), uint64(at.Nanosecond())
	from := int(mix(n^0x1111) % uint64(len(w.payload)-w.size))
	payload := w.payload[from : from+w.size]

	idLength := len(w.run) + 10
	stamp := 2 + protowire.SizeVarint(seconds) + protowire.SizeVarint(nanos)
	length := 2 + idLength + 2 + len(w.types[lane]) + 2 + 1 + memberDigits + 2 + stamp +
		1 + protowire.SizeVarint(uint64(len(payload))) + len(payload)

	request = protowire.AppendTag(request, tag, protowire.BytesType)
	request = protowire.AppendVarint(request, uint64(length))
	request = append(request, 1<<3|2, byte(idLength))
	request = append(request, w.run...)
	request = appendDigits(request, n, 10)
	request = append(request, 2<<3|2, byte(len(w.types[lane])))
	request = append(request, w.types[lane]...)
	request = append(request, 3<<3|2, memberDigits+1, 'm')
	request = appendDigits(request, member, memberDigits)
	request = append(request, 4<<3|2, byte(stamp), 1<<3)
	request = protowire.AppendVarint(request, seconds)
	request = append(request, 2<<3)
	request = protowire.AppendVarint(request, nanos)
	request = append(request, 5<<3|2)
	request = protowire.AppendVarint(request, uint64(len(payload)))
	return append(request, payload...)
}

func appendDigits(to []byte, n uint64, digits int) []byte {
	at := len(to) + digits
	for range digits {
		to = append(to, '0')
	}
	for i := at - 1; n > 0 && i >= at-digits; i-- {
		to[i] = byte('0' + n%10)
		n /= 10
	}
	return to
}

func memberName(n int) string { return fmt.Sprintf("m%0*d", memberDigits, n) }
