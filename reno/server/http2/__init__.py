"""A thin gRPC server on HTTP/2: h2 keeps the protocol's state, the frames that make up the traffic of server streams are packed and read by hand."""
