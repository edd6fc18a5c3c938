package main

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// delays are an HDR histogram of microseconds, up to ten minutes, three digits.
type delays struct {
	mutex sync.Mutex
	found *hdrhistogram.Histogram
}

func newDelays() *delays { return &delays{found: hdrhistogram.New(1, 600_000_000, 3)} }

func (d *delays) add(delay time.Duration, times int64) {
	us := max(1, min(delay.Microseconds(), 600_000_000))
	d.mutex.Lock()
	_ = d.found.RecordValues(us, times)
	d.mutex.Unlock()
}

func (d *delays) reset() {
	d.mutex.Lock()
	d.found.Reset()
	d.mutex.Unlock()
}

// said is what is printed: milliseconds.
func (d *delays) said() map[string]any {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	at := func(share float64) float64 { return float64(d.found.ValueAtQuantile(share)) / 1000 }
	return map[string]any{
		"count":   d.found.TotalCount(),
		"p50_ms":  at(50),
		"p90_ms":  at(90),
		"p99_ms":  at(99),
		"p999_ms": at(99.9),
		"max_ms":  float64(d.found.Max()) / 1000,
	}
}
