package main

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/reno-mesh/reno/clients/go/renov1"
)

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
