"""Body types that schemathesis has no serializer of its own for."""

import schemathesis


@schemathesis.serializer("application/jsonlines", "application/x-jsonlines", "application/x-ndjson")
def serialize_json_lines(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
