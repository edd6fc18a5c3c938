package main

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// bytesCodec hands over messages as they stand on the wire: a generator that shares the machine must not cost what it measures.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

// Marshal takes a pooled buffer; gRPC frees it when it was written.
func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	buffer, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("bytesCodec: %T", v)
	}
	return mem.BufferSlice{mem.NewBuffer(buffer, mem.DefaultBufferPool())}, nil
}

// Unmarshal copies into the receiver's own buffer, which it keeps for the next message.
func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("bytesCodec: %T", v)
	}
	*into = (*into)[:0]
	for _, part := range data {
		*into = append(*into, part.ReadOnlyData()...)
	}
	return nil
}

// fields calls visit for each field of a message; number carries what a varint says.
func fields(message []byte, visit func(field protowire.Number, number uint64, content []byte)) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		switch kind {
		case protowire.VarintType:
			number, n := protowire.ConsumeVarint(message)
			if n < 0 {
				return protowire.ParseError(n)
			}
			visit(field, number, nil)
			message = message[n:]
		case protowire.BytesType:
			content, n := protowire.ConsumeBytes(message)
			if n < 0 {
				return protowire.ParseError(n)
			}
			visit(field, 0, content)
			message = message[n:]
		default:
			n := protowire.ConsumeFieldValue(field, kind, message)
			if n < 0 {
				return protowire.ParseError(n)
			}
			message = message[n:]
		}
	}
	return nil
}
