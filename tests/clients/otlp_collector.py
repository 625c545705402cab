#!/usr/bin/env python3
"""A collector of OpenTelemetry traces: prints what it is sent, one JSON line for each request.

It listens on 127.0.0.1, on a port that the system chooses, and prints that first: {"port": 4318}. Spans are decoded by OpenTelemetry's own
package. --tls speaks TLS, with the certificate NAME.pem and the key NAME.key. --status answers something else than 200 to the first --times requests, or to all; it prints these, too. It ends with its
standard input.
"""

import argparse
import gzip
import json
import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

lock = threading.Lock()
requests = 0


def say(line):
    with lock:
        print(json.dumps(line), flush=True)


def value(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes(pairs):
    return {pair.key: value(pair.value) for pair in pairs}


def context(thing):
    return {"trace": thing.trace_id.hex(), "span": thing.span_id.hex()}


def span(span, resource):
    return {
        **context(span),
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind),
        "parent": span.parent_span_id.hex(),
        "state": span.trace_state,
        "links": [context(link) for link in span.links],
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "attributes": attributes(span.attributes),
        "status": Status.StatusCode.Name(span.status.code),
        "message": span.status.message,
        "resource": resource,
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global requests
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        spans = [
            span(one, attributes(of.resource.attributes))
            for of in request.resource_spans
            for scope in of.scope_spans
            for one in scope.spans
        ]
        with lock:
            requests += 1
            status = options.status if options.times is None or requests <= options.times else 200
        said = ExportTraceServiceResponse()
        if status == 200 and options.reject:
            said.partial_success.rejected_spans = options.reject
        answer = said.SerializeToString()
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        if status == 503:
            self.send_header("retry-after", "0")
        self.end_headers()
        self.wfile.write(answer)
        headers = {name.lower(): value for name, value in self.headers.items()}
        say({"path": self.path, "status": status, "headers": headers, "spans": spans})

    def log_message(self, *_):
        pass


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--status", type=int, default=200)
parser.add_argument("--times", type=int)
parser.add_argument("--reject", type=int, default=0, help="spans that are not accepted, in each request")
parser.add_argument("--tls", metavar="NAME")
options = parser.parse_args()

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if options.tls:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{options.tls}.pem", f"{options.tls}.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
say({"port": server.server_address[1]})
sys.stdin.read()
os._exit(0)
