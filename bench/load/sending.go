package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/reno-mesh/reno/clients/go/renov1"
)

const unansweredBatches = 16 // of a stream, by the contract

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
