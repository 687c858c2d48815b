"""What clients of gRPC import: messages, stubs and converters. It needs `mlcore-mlserver[grpc]`."""
