"""Exit code 0 when a gRPC health service answers SERVING: `healthy.py HOST:PORT [SERVICE]`. For where no prober is built in, as in Compose."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 2.0


def is_serving(address: str, service: str) -> bool:
    """False also where nobody answers within TIMEOUT_S."""
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT_S)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(0 if is_serving(sys.argv[1], *sys.argv[2:3] or [""]) else 1)
