"""The gRPC services."""

import os

# gRPC reads it when it is first imported. Its own notes in the log hold bytes that anybody may
# send, line ends and escapes among them.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
