package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/reno-mesh/reno/clients/go/renov1"
)

// uncertainError says that the event may or may not be stored.
type uncertainError struct{ id string }

func (e *uncertainError) Error() string { return "uncertain: " + e.id }

func newEvent(opts options) *renov1.Event {
	id := opts.id
	if id == "" {
		id = "e-" + rand.Text()
	}
	return &renov1.Event{
		Id:          id,
		Type:        opts.eventType,
		MemberId:    opts.member,
		OccurredAt:  timestamppb.Now(),
		Payload:     []byte(opts.payload),
		ContentType: "application/json",
		MergeKey:    opts.mergeKey,
	}
}

func publish(ctx context.Context, opts options, event *renov1.Event) (*renov1.PublishResponse, error) {
	channel, err := dial(opts.ingestion)
	if err != nil {
		return nil, err
	}
	defer channel.Close()
	ctx = metadata.AppendToOutgoingContext(ctx, "reno-source", opts.source)
	request := &renov1.PublishRequest{Event: event}
	receipt, err := renov1.NewIngestionServiceClient(channel).Publish(ctx, request, grpc.WaitForReady(true))
	if code := status.Code(err); (code == codes.Unavailable && reason(err) == "UNCERTAIN") || code == codes.DeadlineExceeded {
		return nil, &uncertainError{event.GetId()}
	}
	return receipt, err
}

// reason is the contract's word for a refusal, from google.rpc.ErrorInfo.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// subscribe prints every notification until one is the last. It closes opened with the first frame, and acknowledges
// the cursor of a frame once its notifications are printed.
func subscribe(ctx context.Context, opts options, opened chan<- struct{}, isLast func(*renov1.Notification) bool) error {
	channel, err := dial(opts.devices)
	if err != nil {
		return err
	}
	defer channel.Close()
	ctx = metadata.AppendToOutgoingContext(ctx, "reno-member", opts.member, "reno-device", opts.device, "reno-class", opts.class)
	client := renov1.NewNotificationServiceClient(channel)
	frames, err := client.Subscribe(ctx, &renov1.SubscribeRequest{StartAt: renov1.StartAt_START_AT_ACKNOWLEDGED}, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		frame, err := frames.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the stream ended with OK, which the contract rules out")
		}
		if err != nil {
			return err
		}
		if first {
			close(opened)
		}
		done := false
		for _, notification := range frame.GetNotifications() {
			line, err := protojson.Marshal(notification)
			if err != nil {
				return fmt.Errorf("notification %s: %w", notification.GetEventId(), err)
			}
			fmt.Fprintln(os.Stdout, string(line))
			done = done || isLast(notification)
		}
		if len(frame.GetNotifications()) > 0 {
			if _, err := client.Acknowledge(ctx, &renov1.AcknowledgeRequest{Cursor: frame.GetCursor()}); err != nil {
				return fmt.Errorf("acknowledge: %w", err)
			}
		}
		if done {
			return nil
		}
	}
}

func dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
}
