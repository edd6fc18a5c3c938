module github.com/reno-mesh/reno/bench/load

go 1.26.0

replace github.com/reno-mesh/reno/clients/go => ../../clients/go

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0
	github.com/reno-mesh/reno/clients/go v0.0.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go v1.36.12-20260825204119-511051f7f437.2 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
)
