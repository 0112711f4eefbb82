#!/usr/bin/env python3
"""A RabbitMQ broker that misbehaves on demand: the management API and the metrics endpoint, as far as cloudsat uses
them, on loopback. Needs nothing but Python's standard library (and the openssl command for --tls).

    fake_broker.py [--port N] [--tls DIR] [--user NAME --password WORD]

prints one line and then serves until its standard input ends or it gets SIGTERM, so that it never outlives its test:

    port=41001 control=41002 tls=41003 tls_other=41004 ca=DIR/localhost.pem ca_other=DIR/other.pem

port        the broker: /api/... and /metrics/...; tls the same by TLS (certificate for localhost and 127.0.0.1);
            tls_other by TLS with a certificate for other.example. Both certificates are self-signed: ca and ca_other.
control     the steering wheel, a port of its own so that it answers whatever the broker does.

What a broker does (formats measured on RabbitMQ 3.10): GET /api/overview, /api/vhosts, /api/bindings/V,
/api/queues and /api/queues/V (with statistics, disable_stats, enable_queue_totals, columns, page, page_size, name,
use_regex), /api/queues/V/Q, PUT and DELETE /api/queues/V/Q, /metrics/detailed?family=queue_coarse_metrics.

What a broker does not do on demand: GET /behave/NAME?key=value on the broker's port shows behaviour NAME at once; or
tell the control port that requests matching something get it. The behaviours, with their parameters:

    hang                  read the request, never answer          delay ms=N      answer properly, N ms later
    hang_headers          status line and no more                 status code=N   that status, with a JSON reason
    drip_headers          a header byte every 100 ms              redirect        302 to /api/overview
    drip_body             a body byte every 100 ms                html, empty     200 with a page / with nothing
    close, rst            no answer: FIN / RST                    no_content      204
    rst_body              RST in the middle of the body           raw body= type= body_base64=
    short                 less than the announced length          huge_length     announces 1 TB
    truncated_chunked     chunks that stop without an end         endless_body    chunks for ever
    bad_chunk             a chunk size that is no number          endless_headers headers for ever
    truncated_json        half a document of matching length      endless_line    one header line for ever
    close_delimited       half a document, ended by closing       gzip_bomb mb=N  N MB, packed small (default 100)
    not_http              a greeting of some other protocol       bad_gzip        announced as gzip, is none
    frozen                what the same request was answered when the behaviour was set, for ever
    delete_later          a DELETE that hangs, but is carried out
    wait                  answer properly, when told to /go_on

The control port: POST with a JSON body, answered by JSON.

    /reset                      forget all behaviours, queues, bindings, counts; one vhost "/"
    /behave     {behaviour, path, method="*", prefix=false, query="", times=0, ...}
                                path as on the request line, without the query; query: a part of it; times: 0 = always
    /unbehave   {}              forget all behaviours
    /go_on      {}              requests that wait are answered
    /accept     {mode}          "normal", or for every new connection: "hang" (never read), "close", "rst"
    /settings   {escape=false, disable_stats=false, user, password}    escape: label values of metrics, as 3.13 does
    /vhost      {name, state="running"}         add a vhost, or change its state
    /queues     {vhost="/", count, prefix="q", messages=0, ...}   count queues "q-0", "q-1", ... at once
    /sizes      {vhost="/", count, prefix="q", begin=0, messages}     these many of them have a new size
    /unqueues   {vhost="/", count, prefix="q", begin=0}               these many of them are gone
    /queue      {vhost="/", name, type="classic", state="running", messages=0, ready, unacknowledged=0, consumers=0,
                 memory=50000, durable=true, exclusive=false, auto_delete=false, arguments={}, omit=[], set={},
                 hide=[]}
                                add or change one; omit: keys that its rows lack; set: keys that they have instead;
                                hide: where it is not listed: "stats", "totals", "nostats", "metrics", "single"
    /unqueue    {vhost="/", name}
    /bindings   {vhost="/", bindings=[{source, destination, destination_type="queue", routing_key, arguments={}}]}
    /seen       {}              {"total", "connections", "by": {"GET /api/overview": n}, "last": [request lines]}
    /queue_list {vhost="/"}     the names that exist now
"""

import argparse
import asyncio
import base64
import functools
import gzip
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import urllib.parse
import zlib

JSON_TYPE = "application/json"
METRICS_TYPE = "text/plain; version=0.0.4"
REASONS = {200: "OK", 201: "Created", 204: "No Content", 302: "Found", 400: "Bad Request", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error",
           503: "Service Unavailable"}
ERRORS = {400: ("bad_request", "Bad Request"), 401: ("not_authorised", "Access refused."),
          403: ("forbidden", "Forbidden"), 404: ("Object Not Found", "Not Found"),
          500: ("Internal Server Error", "Internal Server Error"), 503: ("Service Unavailable", "No quorum")}


# --- the broker's contents ---------------------------------------------------------------------------------------

class Queue:
    """One queue; 100,000 of them fit into 60 MB."""
    __slots__ = ("name", "type", "state", "messages", "ready", "unacknowledged", "consumers", "memory", "durable",
                 "exclusive", "auto_delete", "arguments", "omit", "set", "hide")
    DEFAULTS = dict(type="classic", state="running", messages=0, ready=None, unacknowledged=0, consumers=0,
                    memory=50000, durable=True, exclusive=False, auto_delete=False, arguments={}, omit=(), set={},
                    hide=())

    def __init__(self, name, **fields):
        self.name = name
        for key, value in {**self.DEFAULTS, **fields}.items():
            setattr(self, key, value)

    def row(self, vhost, kind):
        """The row in a listing of a kind: stats, totals or nostats."""
        row = {"arguments": self.arguments, "auto_delete": self.auto_delete, "durable": self.durable,
               "exclusive": self.exclusive, "name": self.name, "node": "fake@localhost",
               "state": "live" if kind == "nostats" and self.state == "running" else self.state,
               "type": self.type, "vhost": vhost}
        if kind == "totals" and self.type == "stream":
            del row["node"]
            row.update(totals=None, type_specific=None, exclusive=None)
        elif kind != "nostats":
            row.update(self.sizes())
        if kind == "stats":
            row.update(consumers=self.consumers, memory=self.memory, messages_details={"rate": 0.0},
                       messages_ready_details={"rate": 0.0}, policy=None, operator_policy=None,
                       effective_policy_definition={}, reductions=7083, idle_since="2026-11-21T20:26:38.675+00:00")
        row.update(self.set)
        for key in self.omit:
            row.pop(key, None)
        return row

    def sizes(self):
        ready = self.messages - self.unacknowledged if self.ready is None else self.ready
        return {"messages": self.messages, "messages_ready": ready, "messages_unacknowledged": self.unacknowledged}


class Vhost:
    def __init__(self, state="running"):
        self.state = state
        self.queues = {}
        self.bindings = []


class Broker:
    def __init__(self, user, password):
        self.start_user, self.start_password = user, password
        self.reset()

    def reset(self):
        self.user, self.password = self.start_user, self.start_password
        self.escape = False
        self.disable_stats = False
        self.accept = "normal"
        self.go_on = asyncio.Event()
        self.vhosts = {"/": Vhost()}
        self.rules = []
        self.by = {}
        self.last = []
        self.total = 0
        self.connections = 0
        self.changed()

    def changed(self):
        """Listings of 100,000 queues take a second to write: they are kept until something changes."""
        self.cache = {}

    def note(self, request):
        self.total += 1
        key = f"{request.method} {request.path}"
        self.by[key] = self.by.get(key, 0) + 1
        self.last = self.last[-499:] + [f"{request.method} {request.target}"]

    def rule_for(self, request):
        for rule in self.rules:
            path_fits = request.path.startswith(rule["path"]) if rule["prefix"] else request.path == rule["path"]
            if path_fits and rule["method"] in ("*", request.method) and rule["query"] in request.query_text:
                if rule["times"]:
                    rule["times"] -= 1
                    if rule["times"] == 0:
                        self.rules.remove(rule)
                return rule
        return None


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.path, _, self.query_text = target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(self.query_text, keep_blank_values=True))


class Answer:
    def __init__(self, status=200, body=b"", content_type=JSON_TYPE, headers=()):
        self.status, self.body, self.content_type, self.headers = status, body, content_type, list(headers)

    def to_bytes(self, request):
        body, headers = self.body, list(self.headers)
        if "gzip" in request.headers.get("accept-encoding", "") and len(body) > 1000:
            body = gzip.compress(body, 1)
            headers.append(("content-encoding", "gzip"))
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Odd')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if self.status != 204:
            lines += [f"content-length: {len(body)}", f"content-type: {self.content_type}"]
        return ("\r\n".join(lines) + "\r\nserver: Cowboy\r\n\r\n").encode() + (b"" if self.status == 204 else body)


def to_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def error(status, reason=None):
    name, words = ERRORS.get(status, ("error", "Odd"))
    return Answer(status, to_json({"error": name, "reason": reason or words}))


# --- the proper answers ------------------------------------------------------------------------------------------

def listing_kind(broker, query):
    if query.get("disable_stats") == "true" or broker.disable_stats:
        return "totals" if query.get("enable_queue_totals") == "true" else "nostats"
    return "stats"


def rows_of(broker, names, kind):
    for vhost_name in names:
        vhost = broker.vhosts[vhost_name]
        for queue in vhost.queues.values():
            if kind not in queue.hide:
                yield queue.row(vhost_name, kind)


def pattern_of(text):
    """RabbitMQ matches caselessly with PCRE; Python has neither (?-i) in the middle nor \\z."""
    flags = 0 if "(?-i)" in text else re.IGNORECASE
    return re.compile(text.replace("(?-i)", "").replace("\\z", "\\Z"), flags)


def page_of(rows, query):
    size = int(query.get("page_size", "100"))
    if size > 500:
        return None, "page_size"
    total = len(rows)
    if query.get("name"):
        if query.get("use_regex") == "true":
            pattern = pattern_of(query["name"])
            rows = [row for row in rows if pattern.search(row["name"])]
        else:
            rows = [row for row in rows if query["name"].lower() in row["name"].lower()]
    page, count = int(query["page"]), max(1, -(-len(rows) // size))
    if page < 1 or page > count:
        return None, f"Page out of range, page: {page} page size: {size}, len: {len(rows)}"
    items = rows[(page - 1) * size:page * size]
    return {"filtered_count": len(rows), "item_count": len(items), "items": items, "page": page,
            "page_count": count, "page_size": size, "total_count": total}, None


def narrow(row, columns):
    return {key: value for key, value in row.items() if key in columns} if columns else row


def answer_queues(broker, query, names):
    kind = listing_kind(broker, query)
    columns = set(filter(None, query.get("columns", "").split(",")))
    key = (kind, tuple(sorted(columns)), tuple(names))
    if "page" not in query:
        if key not in broker.cache:
            broker.cache[key] = to_json([narrow(row, columns) for row in rows_of(broker, names, kind)])
        return Answer(body=broker.cache[key])
    try:
        page, reason = page_of(list(rows_of(broker, names, kind)), query)
    except (ValueError, re.error) as problem:
        return error(400, str(problem))
    if page is None:
        return error(400, reason)
    page["items"] = [narrow(row, columns) for row in page["items"]]
    return Answer(body=to_json(page))


def answer_queue(broker, request, vhost_name, name):
    vhost = broker.vhosts[vhost_name]
    queue = vhost.queues.get(name)
    if request.method == "PUT":
        fields = json.loads(request.body or b"{}")
        known = {key: value for key, value in fields.items() if key in Queue.DEFAULTS}
        vhost.queues.setdefault(name, Queue(name, **known))
        broker.changed()
        return Answer(204 if queue else 201)
    if queue is None:
        return error(404)
    if request.method == "DELETE":
        if request.query.get("if-empty") == "true" and queue.messages:
            return error(400, f"queue '{name}' in vhost '{vhost_name}' not empty")
        del vhost.queues[name]
        broker.changed()
        return Answer(204)
    return error(404) if "single" in queue.hide else Answer(body=to_json(queue.row(vhost_name, "stats")))


def answer_bindings(broker, vhost_name):
    vhost = broker.vhosts[vhost_name]
    rows = [{"source": "", "vhost": vhost_name, "destination": name, "destination_type": "queue",
             "routing_key": name, "arguments": {}, "properties_key": name} for name in vhost.queues]
    rows += [{"source": "", "vhost": vhost_name, "destination_type": "queue", "arguments": {}, **binding}
             for binding in vhost.bindings]
    return Answer(body=to_json(rows))


def answer_vhosts(broker):
    return Answer(body=to_json([{"cluster_state": {"fake@localhost": vhost.state}, "name": name}
                                for name, vhost in broker.vhosts.items()]))


def answer_overview(broker):
    queues = [queue for vhost in broker.vhosts.values() for queue in vhost.queues.values()]
    totals = {} if broker.disable_stats else {"messages": sum(queue.messages for queue in queues)}
    return Answer(body=to_json({"management_version": "3.10.8", "rabbitmq_version": "3.10.8",
                                "cluster_name": "fake@localhost", "disable_stats": broker.disable_stats,
                                "queue_totals": totals, "object_totals": {"queues": len(queues)},
                                "node": "fake@localhost"}))


def answer_metrics(broker):
    def label(text):
        if not broker.escape:
            return text  # as RabbitMQ 3.10 does
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    lines = []
    for family, key in (("messages_ready", "messages_ready"), ("messages_unacked", "messages_unacknowledged"),
                        ("messages", "messages")):
        lines.append(f"# TYPE rabbitmq_detailed_queue_{family} gauge")
        lines.append(f"# HELP rabbitmq_detailed_queue_{family} Messages of a kind")
        for vhost_name, vhost in broker.vhosts.items():
            lines += [f'rabbitmq_detailed_queue_{family}{{vhost="{label(vhost_name)}",queue="{label(queue.name)}"}} '
                      f"{queue.sizes()[key]}" for queue in vhost.queues.values() if "metrics" not in queue.hide]
    lines.append("# TYPE rabbitmq_detailed_queue_process_reductions_total counter")
    lines.append("# TYPE rabbitmq_build_info untyped")
    lines.append('rabbitmq_build_info{rabbitmq_version="3.10.8"} 1')
    lines.append("# TYPE telemetry_scrape_duration_seconds summary")
    lines.append('telemetry_scrape_duration_seconds_sum{registry="detailed"} 0.001134967')
    lines.append("")
    return Answer(body=("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"), content_type=METRICS_TYPE)


def is_authorised(broker, request):
    if not broker.user:
        return True
    wanted = base64.b64encode(f"{broker.user}:{broker.password}".encode()).decode()
    return request.headers.get("authorization") == f"Basic {wanted}"


def answer_api(broker, request):
    if not is_authorised(broker, request):
        return error(401, "Login failed")
    parts = [urllib.parse.unquote(part, errors="surrogateescape") for part in request.path.split("/")[2:]]
    if len(parts) > 1 and parts[0] in ("queues", "bindings") and parts[1] not in broker.vhosts:
        return error(404)
    match parts:
        case ["overview"]: return answer_overview(broker)
        case ["vhosts"]: return answer_vhosts(broker)
        case ["queues"]: return answer_queues(broker, request.query, list(broker.vhosts))
        case ["queues", vhost]: return answer_queues(broker, request.query, [vhost])
        case ["queues", vhost, name]: return answer_queue(broker, request, vhost, name)
        case ["bindings", vhost]: return answer_bindings(broker, vhost)
    return error(404)


def answer(broker, request):
    if request.path.startswith("/api/"):
        return answer_api(broker, request)
    if request.path == "/metrics/detailed" and request.query.get("family") == "queue_coarse_metrics":
        if "metrics" not in broker.cache:
            broker.cache["metrics"] = answer_metrics(broker)
        return broker.cache["metrics"]
    return Answer(404, b"<html>Not Found</html>", "text/html")


# --- the misbehaviours -------------------------------------------------------------------------------------------
# Each is a coroutine (connection, rule, request) -> whether the connection may be used again.

class Gone(Exception):
    """The client has closed the connection."""


class Connection:
    def __init__(self, broker, reader, writer):
        self.broker, self.reader, self.writer = broker, reader, writer

    async def send(self, data):
        if self.writer.is_closing():
            raise Gone
        self.writer.write(data)
        await self.writer.drain()

    async def until_gone(self):
        """Waits for the client to give up; what it still sends is ignored."""
        while await self.reader.read(65536):
            pass

    def reset(self):
        """Ends the connection with RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def head(*lines):
    return ("\r\n".join(("HTTP/1.1 200 OK",) + lines) + "\r\n\r\n").encode()


DOCUMENT = b'[{"name":"a","messages":1,"state":"running"},{"name":"b","messages":2,"state":"running"}]'
HALF = DOCUMENT[:50]
JSON_HEAD = f"content-type: {JSON_TYPE}"


async def hang(c, rule, request):
    await c.until_gone()


async def hang_headers(c, rule, request):
    await c.send(b"HTTP/1.1 200 OK\r\n")
    await c.until_gone()


async def drip(c, data):
    for byte in data:
        await c.send(bytes([byte]))
        await asyncio.sleep(0.1)


async def drip_headers(c, rule, request):
    await c.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await drip(c, b"x-drip: drop\r\n")


async def drip_body(c, rule, request):
    await c.send(head(JSON_HEAD, "content-length: 100000"))
    await drip(c, b" " * 100000)


async def close(c, rule, request):
    pass


async def rst(c, rule, request):
    c.reset()


async def rst_body(c, rule, request):
    await c.send(head(JSON_HEAD, f"content-length: {len(DOCUMENT)}") + HALF)
    await asyncio.sleep(0.05)  # an RST overtakes what the client has not read yet
    c.reset()


async def short(c, rule, request):
    await c.send(head(JSON_HEAD, f"content-length: {len(DOCUMENT)}") + HALF)


async def truncated_chunked(c, rule, request):
    await c.send(head(JSON_HEAD, "transfer-encoding: chunked") + b"%x\r\n%s\r\n" % (len(HALF), HALF))


async def bad_chunk(c, rule, request):
    await c.send(head(JSON_HEAD, "transfer-encoding: chunked") + b"zz\r\n" + DOCUMENT)


async def truncated_json(c, rule, request):
    await c.send(head(JSON_HEAD, f"content-length: {len(HALF)}") + HALF)
    return True


async def close_delimited(c, rule, request):
    await c.send(head(JSON_HEAD) + HALF)


async def not_http(c, rule, request):
    await c.send(b"220 mail.example ESMTP ready\r\n")


async def send_answer(c, request, reply):
    await c.send(reply.to_bytes(request))
    return True


async def html(c, rule, request):
    return await send_answer(c, request, Answer(body=b"<html><body>Please log in</body></html>", content_type="text/html"))


async def empty(c, rule, request):
    return await send_answer(c, request, Answer())


async def no_content(c, rule, request):
    return await send_answer(c, request, Answer(204))


async def status(c, rule, request):
    return await send_answer(c, request, error(int(rule.get("code", 500)), rule.get("reason")))


async def redirect(c, rule, request):
    return await send_answer(c, request, Answer(302, headers=[("location", "/api/overview")]))


async def raw(c, rule, request):
    body = base64.b64decode(rule["body_base64"]) if "body_base64" in rule else rule.get("body", "").encode()
    return await send_answer(c, request, Answer(int(rule.get("code", 200)), body, rule.get("type", JSON_TYPE)))


async def delay(c, rule, request):
    await asyncio.sleep(int(rule.get("ms", 1000)) / 1000)
    return await send_answer(c, request, answer(c.broker, request))


async def wait(c, rule, request):
    await c.broker.go_on.wait()
    return await send_answer(c, request, answer(c.broker, request))


async def frozen(c, rule, request):
    return await send_answer(c, request, rule["frozen"])


async def delete_later(c, rule, request):
    answer(c.broker, request)
    await c.until_gone()


async def huge_length(c, rule, request):
    await c.send(head(JSON_HEAD, f"content-length: {1 << 40}") + DOCUMENT)
    await c.until_gone()


async def endless_body(c, rule, request):
    await c.send(head(JSON_HEAD, "transfer-encoding: chunked"))
    while True:
        await c.send(b"10000\r\n" + b" " * 65536 + b"\r\n")


async def endless_headers(c, rule, request):
    await c.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await c.send(b"x-more: and more\r\n" * 100)


async def endless_line(c, rule, request):
    await c.send(b"HTTP/1.1 200 OK\r\nx-more: ")
    while True:
        await c.send(b"x" * 4096)


@functools.lru_cache
def packed_blanks(megabytes):
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)  # 31: with a gzip header
    megabyte = b" " * (1 << 20)
    return b"".join(packer.compress(megabyte) for _ in range(megabytes)) + packer.flush()


async def gzip_bomb(c, rule, request):
    body = packed_blanks(int(rule.get("mb", 100)))
    await c.send(head(JSON_HEAD, "content-encoding: gzip", f"content-length: {len(body)}") + body)
    return True


async def bad_gzip(c, rule, request):
    await c.send(head(JSON_HEAD, "content-encoding: gzip", f"content-length: {len(DOCUMENT)}") + DOCUMENT)
    return True


BEHAVIOURS = {f.__name__: f for f in (
    hang, hang_headers, drip_headers, drip_body, close, rst, rst_body, short, truncated_chunked, bad_chunk,
    truncated_json, close_delimited, not_http, html, empty, no_content, status, redirect, raw, delay, wait,
    frozen, delete_later, huge_length, endless_body, endless_headers, endless_line, gzip_bomb, bad_gzip)}


# --- serving -----------------------------------------------------------------------------------------------------

async def read_request(reader):
    """The next request, or None at the end of the connection."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    first, *lines = text.split("\r\n")
    method, target, _ = (first.split(" ") + ["", ""])[:3]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)


async def serve_request(c, request):
    """Answers one request; false when the connection is over."""
    c.broker.note(request)
    rule = c.broker.rule_for(request)
    if rule is None and request.path.startswith("/behave/"):
        rule = {"behaviour": request.path.split("/")[2], **request.query}
    if rule is None:
        return await send_answer(c, request, answer(c.broker, request))
    behaviour = BEHAVIOURS.get(rule["behaviour"])
    if behaviour is None:
        return await send_answer(c, request, error(404, "no such behaviour"))
    return bool(await behaviour(c, rule, request))


async def serve_connection(broker, reader, writer):
    broker.connections += 1
    c = Connection(broker, reader, writer)
    try:
        if broker.accept == "hang":
            await asyncio.sleep(3600)
        elif broker.accept == "rst":
            c.reset()
            return
        elif broker.accept == "close":
            return
        while (request := await read_request(reader)) is not None:
            if not await serve_request(c, request):
                break
    except (Gone, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


class Control:
    """The steering wheel: each public method is a path."""

    def __init__(self, broker):
        self.broker = broker

    def reset(self):
        self.broker.reset()

    def behave(self, behaviour, path, method="*", prefix=False, query="", times=0, **parameters):
        if behaviour not in BEHAVIOURS:
            raise ValueError(f"no such behaviour: {behaviour}")
        rule = {"behaviour": behaviour, "path": path, "method": method, "prefix": prefix, "query": query,
                "times": times, **parameters}
        if behaviour == "frozen":
            target = path + ("?" + query if query else "")
            credentials = base64.b64encode(f"{self.broker.user}:{self.broker.password}".encode()).decode()
            rule["frozen"] = answer(self.broker, Request("GET", target, {"authorization": f"Basic {credentials}"}, b""))
        if behaviour == "wait":
            self.broker.go_on.clear()
        if behaviour == "gzip_bomb":
            packed_blanks(int(parameters.get("mb", 100)))  # takes a while, which must not be a request's
        self.broker.rules.insert(0, rule)

    def unbehave(self):
        self.broker.rules.clear()

    def go_on(self):
        self.broker.go_on.set()

    def accept(self, mode):
        self.broker.accept = mode

    def settings(self, **settings):
        for key, value in settings.items():
            if key not in ("escape", "disable_stats", "user", "password"):
                raise ValueError(f"no such setting: {key}")
            setattr(self.broker, key, value)
        self.broker.changed()

    def vhost(self, name, state="running"):
        self.broker.vhosts.setdefault(name, Vhost()).state = state
        self.broker.changed()

    def queues(self, count, vhost="/", prefix="q", **fields):
        queues = self.broker.vhosts[vhost].queues
        for i in range(count):
            queues[f"{prefix}-{i}"] = Queue(f"{prefix}-{i}", **fields)
        self.broker.changed()

    def sizes(self, count, messages, vhost="/", prefix="q", begin=0):
        queues = self.broker.vhosts[vhost].queues
        for i in range(begin, begin + count):
            queues[f"{prefix}-{i}"].messages = messages
        self.broker.changed()

    def unqueues(self, count, vhost="/", prefix="q", begin=0):
        for i in range(begin, begin + count):
            del self.broker.vhosts[vhost].queues[f"{prefix}-{i}"]
        self.broker.changed()

    def queue(self, name, vhost="/", **fields):
        queues = self.broker.vhosts[vhost].queues
        if name not in queues:
            queues[name] = Queue(name)
        for key, value in fields.items():
            if key not in Queue.DEFAULTS:
                raise ValueError(f"no such field: {key}")
            setattr(queues[name], key, value)
        self.broker.changed()

    def unqueue(self, name, vhost="/"):
        del self.broker.vhosts[vhost].queues[name]
        self.broker.changed()

    def bindings(self, bindings, vhost="/"):
        self.broker.vhosts[vhost].bindings = bindings
        self.broker.changed()

    def seen(self):
        b = self.broker
        return {"total": b.total, "connections": b.connections, "by": b.by, "last": b.last}

    def queue_list(self, vhost="/"):
        return list(self.broker.vhosts[vhost].queues)


async def serve_control(control, reader, writer):
    try:
        while (request := await read_request(reader)) is not None:
            await send_answer(Connection(None, reader, writer), request, steer(control, request))
    except (Gone, ConnectionError):
        pass
    finally:
        writer.close()


def steer(control, request):
    name = request.path.lstrip("/")
    try:
        if name.startswith("_") or not callable(getattr(control, name, None)):
            raise ValueError(f"no such control: {name}")
        result = getattr(control, name)(**json.loads(request.body or b"{}"))
        return Answer(body=to_json({"ok": True} if result is None else result))
    except (ValueError, TypeError, KeyError) as problem:
        return Answer(400, to_json({"error": repr(problem)}))


def make_certificate(directory, name, alternatives):
    """A self-signed certificate and its key, by the openssl command."""
    certificate, key = os.path.join(directory, name + ".pem"), os.path.join(directory, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}",
                    "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


async def listen(serve, port=0, context=None):
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context, backlog=512)
    return server, server.sockets[0].getsockname()[1]


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", metavar="DIR")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    arguments = parser.parse_args()

    broker = Broker(arguments.user, arguments.password)
    control = Control(broker)

    async def on_broker(reader, writer):
        await serve_connection(broker, reader, writer)

    async def on_control(reader, writer):
        await serve_control(control, reader, writer)

    servers = []
    words = []
    for name, serve, port in (("port", on_broker, arguments.port), ("control", on_control, 0)):
        server, port = await listen(serve, port)
        servers.append(server)
        words.append(f"{name}={port}")
    if arguments.tls:
        for suffix, name, alternatives in (("", "localhost", "DNS:localhost,IP:127.0.0.1"),
                                           ("_other", "other", "DNS:other.example")):
            certificate, context = make_certificate(arguments.tls, name, alternatives)
            server, port = await listen(on_broker, 0, context)
            servers.append(server)
            words += [f"tls{suffix}={port}", f"ca{suffix}={certificate}"]
    print(" ".join(words), flush=True)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Whoever started us holds the other end of our standard input: when it is gone, so are we.
    watch_stdin(loop, stop)
    await stop.wait()
    os._exit(0)  # connections that hang on purpose must not delay the end


def watch_stdin(loop, stop):
    def on_input():
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop.set()

    try:
        loop.add_reader(0, on_input)
    except (PermissionError, OSError):
        pass  # a file or /dev/null cannot be watched: then a signal must do


if __name__ == "__main__":
    asyncio.run(main())
