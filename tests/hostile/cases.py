"""Malformed and malicious requests, as data: the bytes that are sent, and what may come of them.

Each is written with a right key or a genuine token: what is refused is refused for its form
alone. `{order}` is the target of an order that would buy, `{key}` its key, `{token}` a callback's
token, `{n}` the case's number in three digits. Behind each whole one stands one more request,
`AFTER`: whether that is answered shows where the gateway believes that the first one ended.
"""

from dataclasses import dataclass

AFTER = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CUT: tuple[int, ...] = ()  # no answer at all: cut off


@dataclass(frozen=True, slots=True)
class Case:
    """One request.

    Attributes:
        name: what is wrong with it.
        sent: as it is sent, in Latin-1.
        answers: the statuses of all answers, that of `AFTER` included.
        door: which listener: "public" or "admin".
        is_whole: `AFTER` is sent behind it; else nothing more comes.
    """

    name: str
    sent: str
    answers: tuple[int, ...]
    door: str = "public"
    is_whole: bool = True


def line(line_: str, *fields: str, body: str = "") -> str:
    """A request with this very line, these fields, and this body."""
    return "\r\n".join((line_, "Host: x", *fields, "", body))


def get(*fields: str, target: str = "{order}", body: str = "") -> str:
    return line(f"GET {target} HTTP/1.1", *fields, body=body)


JSON = '{"product_code":"S1_1187","user_id":"123456789","trx_id":"H{n}"}'
LENGTH = f"Content-Length: {len(JSON)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = f"{len(JSON):x}\r\n{JSON}\r\n0\r\n\r\n"
ORDER = "GET {order} HTTP/1.1\r\nHost: x\r\n\r\n"
CALLBACK = "invoice_number=A&trx_id=toko-T1&status=SUCCESS&product_price=1&sn=x&msg=R"


def post(*fields: str, path: str = "/v2/order", body: str = JSON) -> str:
    return line(f"POST {path} HTTP/1.1", "Authorization: {key}", *fields, body=body)


LINES = [
    Case("no line at all", "\r\n\r\n\r\n", (200,)),
    Case("only the key", "{key}\r\n\r\n", (400,)),
    Case("no version", line("GET {order}"), (400,)),
    Case("a version before the first", line("GET {order} HTTP/0.9"), (505,), is_whole=False),
    Case("one with something behind it", line("GET {order} HTTP/0.9"), (400,)),
    Case("a version to come", line("GET {order} HTTP/1.2"), (400,)),
    Case("version 2.0 in text", line("GET {order} HTTP/2.0"), (505,), is_whole=False),
    Case("version 9.9", line("GET {order} HTTP/9.9"), (400,)),
    Case("a version without a dot", line("GET {order} HTTP/11"), (400,)),
    Case("a version in small letters", line("GET {order} http/1.1"), (400,)),
    Case("something behind the version", line("GET {order} HTTP/1.1 x"), (400,)),
    Case("another protocol", line("GET {order} RTSP/1.0"), (400,)),
    Case("ICY", line("SOURCE {order} ICE/1.0"), (400,)),
    Case("tabs for spaces", line("GET\t{order}\tHTTP/1.1"), (400,)),
    Case("a space in the target", line("GET {order}&x=a b HTTP/1.1"), (400,)),
    Case("a space before the method", line(" GET {order} HTTP/1.1"), (400,)),
    Case("a null in the method", line("GET\x00 {order} HTTP/1.1"), (400,)),
    Case("a null in the target", line("GET {order}\x00 HTTP/1.1"), (400,)),
    Case("a control character in the target", line("GET {order}\x01 HTTP/1.1"), (400,)),
    Case("DEL in the target", line("GET {order}\x7f HTTP/1.1"), (400,)),
    Case("raw UTF-8 in the target", line("GET {order}\xc3\xa9 HTTP/1.1"), (400,)),
    Case("bytes that are no UTF-8", line("GET {order}\xff\xfe HTTP/1.1"), (400,)),
    Case("a method in small letters", line("get {order} HTTP/1.1"), (400,)),
    Case("a method that is the key", line("{key} {order} HTTP/1.1"), (400,)),
    Case("a method nobody knows", line("BUY {order} HTTP/1.1"), (400,)),
    Case("a method without end", line("G" * 30_000), (400,)),
    Case("no target", line("GET HTTP/1.1"), (400,)),
    Case("no target but its space", line("GET  HTTP/1.1"), (400,)),
    Case("a target without a slash", line("GET v3/otomax/order HTTP/1.1"), (400,)),
    Case("a star", line("GET * HTTP/1.1"), (400,)),
    Case("a star of OPTIONS", line("OPTIONS * HTTP/1.1"), (404, 200)),
    Case("an authority that is none", line("GET http://[::1{order} HTTP/1.1"), (400,)),
    Case("another scheme without a host", line("GET file://{order} HTTP/1.1"), (400,)),
    Case("CONNECT", line("CONNECT example.com:443 HTTP/1.1"), (405,)),
    Case("CONNECT to a route", line("CONNECT {order} HTTP/1.1"), (405,)),
    Case("CONNECT to metadata", line("CONNECT 169.254.169.254:80 HTTP/1.1"), (405,)),
    Case("a line without end", line("GET {order}&x=" + "x" * 30_000 + " HTTP/1.1"), (414,)),
    Case("a path without end", line("GET /" + "a/" * 20_000 + " HTTP/1.1"), (414,)),
    Case("a bare LF behind the line", "GET {order} HTTP/1.1\nHost: x\r\n\r\n", (400,)),
    Case("bare LFs alone", "GET {order} HTTP/1.1\nHost: x\n\n", (400,)),
    Case("bare CRs alone", "GET {order} HTTP/1.1\rHost: x\r\r", (400,)),
    Case("a CR within the line", line("GET {order}\rX HTTP/1.1"), (400,)),
]

OTHER_PROTOCOLS = [
    Case("a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03{key}", (400,)),
    Case("an old SSL hello", "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", (400,)),
    Case("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04", (400,)),
    Case("a PROXY line", "PROXY TCP4 157.230.42.1 10.0.0.1 1 2\r\n" + ORDER, (400,)),
    Case("an unknown PROXY line", "PROXY UNKNOWN\r\n" + ORDER, (400,)),
    Case(
        "a PROXY header of version 2",
        "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x9d\xe6\x2a\x01\x0a\x00\x00\x01\x00\x01\x00\x02"
        + ORDER,
        (400,),
    ),
    Case("SSH", "SSH-2.0-OpenSSH_9.2\r\n", (400,)),
    Case("SMTP", "EHLO {key}\r\n", (400,)),
    Case("redis", "*1\r\n$4\r\nINFO\r\n", (400,)),
    Case("memcached", "stats\r\n", (400,)),
    Case("an answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (400,)),
    Case("FastCGI", "\x01\x01\x00\x01\x00\x08\x00\x00", (400,)),
    Case("nulls", "\x00" * 64, (400,)),
    Case("websocket frames", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", (400,)),
]

FIELDS = [
    Case("no Host", "GET {order} HTTP/1.1\r\n\r\n", (400,)),
    Case("Host twice", get("Host: y"), (400,)),
    Case("a field without a colon", get("apikey {key}"), (400,)),
    Case("a field without a name", get(": {key}"), (400,)),
    Case("a space before the colon", get("Content-Length : 0"), (400,)),
    Case("a tab before the colon", get("Content-Length\t: 0"), (400,)),
    Case("a space before the first field", "GET {order} HTTP/1.1\r\n Host: x\r\n\r\n", (400,)),
    Case("a folded field", get("X-A: {key}", " {key}"), (400,)),
    Case("a field folded with a tab", get("X-A: {key}", "\t{key}"), (400,)),
    Case("a null in a field", get("X-A: a\x00b"), (400,)),
    Case("a null in a name", get("X\x00A: {key}"), (400,)),
    Case("a control character in a field", get("X-A: a\x01b"), (400,)),
    Case("a bare CR in a field", get("X-A: a\rb"), (400,)),
    Case("a bare LF in a field", get("X-A: a\nX-B: {key}"), (400,)),
    Case("CR CR LF", get("X-A: a\r"), (400,)),
    Case("a name with a slash", get("X/A: {key}"), (400,)),
    Case("a name with a bracket", get("X(A): {key}"), (400,)),
    Case("a name that is no ASCII", get("X\xe9: {key}"), (400,)),
    Case("a field without end", get("X-A: " + "x" * 9000), (431,)),
    Case("a name without end", get("X" * 9000 + ": a"), (431,)),
    Case("too many fields", get(*(f"X-{n}: a" for n in range(65))), (431,)),
    Case("too many empty fields", get(*["X:"] * 5000), (431,)),
    Case("too many long fields", get(*(f"X-{n}: {'x' * 8000}" for n in range(80))), (431,)),
    Case("a key in a cookie that is none", get("Cookie: =;{key};;=\x00"), (400,)),
    Case("an expectation", get("Expect: {key}", target="/healthz"), (417, 200)),
    Case("two keys", post(LENGTH, "Authorization: {key}"), (404, 200)),
    Case("an old websocket", get("Sec-WebSocket-Key1: {key}"), (400,)),
]

BODIES = [
    Case("a length twice", post(LENGTH, LENGTH), (400,)),
    Case("two lengths", post(LENGTH, "Content-Length: 0"), (400,)),
    Case("two lengths in one field", post(f"{LENGTH}, {len(JSON)}"), (400,)),
    Case("a length with a plus", post(f"Content-Length: +{len(JSON)}"), (400,)),
    Case("a length below zero", post("Content-Length: -1"), (400,)),
    Case("a length in hexadecimal", post(f"Content-Length: 0x{len(JSON):x}"), (400,)),
    Case("a length with a point", post(f"{LENGTH}.0"), (400,)),
    Case("a length with an exponent", post("Content-Length: 1e2"), (400,)),
    Case("a length in Arabic digits", post("Content-Length: \xd9\xa1"), (400,)),
    Case("a length with a space within", post("Content-Length: 6 4"), (400,)),
    Case("a length with an underscore", post("Content-Length: 6_4"), (400,)),
    Case("an empty length", post("Content-Length: "), (400,)),
    Case("a length beyond 64 bits", post("Content-Length: 99999999999999999999"), (400,)),
    Case("a length of 2^64 and a body's", post(f"Content-Length: {2**64 + len(JSON)}"), (400,)),
    Case("a length that is the key", post("Content-Length: {key}"), (400,)),
    Case("a length and chunks", post(LENGTH, CHUNKED, body=CHUNKS), (400,)),
    Case("chunks and a length", post(CHUNKED, LENGTH, body=CHUNKS), (400,)),
    Case(
        "chunks, and a length of nothing", post("Content-Length: 0", CHUNKED, body=CHUNKS), (400,)
    ),
    Case("chunks twice", post(CHUNKED, CHUNKED, body=CHUNKS), (400,)),
    Case("chunks twice in one field", post(CHUNKED + ", chunked", body=CHUNKS), (400,)),
    Case("chunks and nothing", post(CHUNKED, "Transfer-Encoding: identity", body=CHUNKS), (400,)),
    Case("nothing and chunks", post("Transfer-Encoding: identity, chunked", body=CHUNKS), (400,)),
    Case("an identity", post("Transfer-Encoding: identity", body=CHUNKS), (400,)),
    Case("chunks that are none", post("Transfer-Encoding: xchunked", body=CHUNKS), (400,)),
    Case("chunks after a comma", post("Transfer-Encoding: ,chunked", body=CHUNKS), (400,)),
    Case("chunks in quotes", post('Transfer-Encoding: "chunked"', body=CHUNKS), (400,)),
    Case(
        "chunks with a vertical tab", post("Transfer-Encoding: \x0bchunked", body=CHUNKS), (400,)
    ),
    Case("chunks with a null", post("Transfer-Encoding: chunked\x00", body=CHUNKS), (400,)),
    Case("chunks with a space before", post("Transfer-Encoding : chunked", body=CHUNKS), (400,)),
    Case("folded chunks", post("Transfer-Encoding:", " chunked", body=CHUNKS), (400,)),
    Case("packed chunks", post("Transfer-Encoding: gzip, chunked", body=CHUNKS), (400,)),
    Case(
        "chunks in HTTP/1.0",
        line("POST /v2/order HTTP/1.0", "Authorization: {key}", CHUNKED, body=CHUNKS),
        (400,),
    ),
    Case("a chunk that is no number", post(CHUNKED, body=f"xyz\r\n{JSON}\r\n0\r\n\r\n"), (400,)),
    Case("a chunk below zero", post(CHUNKED, body=f"-1\r\n{JSON}\r\n0\r\n\r\n"), (400,)),
    Case("a chunk with 0x", post(CHUNKED, body=f"0x40\r\n{JSON}\r\n0\r\n\r\n"), (400,)),
    Case(
        "a chunk beyond 64 bits", post(CHUNKED, body=f"{'f' * 17}\r\n{JSON}\r\n0\r\n\r\n"), (400,)
    ),
    Case("a chunk with a space before", post(CHUNKED, body=f" {CHUNKS}"), (400,)),
    Case("a chunk with a bare LF", post(CHUNKED, body=CHUNKS.replace("\r\n", "\n", 1)), (400,)),
    Case("chunks with bare LFs", post(CHUNKED, body=CHUNKS.replace("\r\n", "\n")), (400,)),
    Case("a chunk longer than it says", post(CHUNKED, body=f"3\r\n{JSON}\r\n0\r\n\r\n"), (400,)),
    Case("an extension with a bare LF", post(CHUNKED, body=f"2;\n{CHUNKS}"), (400,)),
    Case(
        "an extension with a null",
        post(CHUNKED, body=f"{len(JSON):x};a=\x00\r\n{JSON}\r\n0\r\n\r\n"),
        (400,),
    ),
    Case("no end of the last chunk", post(CHUNKED, body=f"0\r\nX{ORDER}"), (400,)),
    Case("a packed body", post(LENGTH, "Content-Encoding: gzip"), (415,)),
    Case("a body packed twice", post(LENGTH, "Content-Encoding: gzip, br"), (415,)),
    Case("a body packed in capitals", post(LENGTH, "Content-Encoding: GZIP"), (415,)),
    Case("a body without end", post("Content-Length: 100000000", body="x" * 200_000), (413,)),
    Case("chunks without end", post(CHUNKED, body="fffff\r\n" + "x" * 200_000), (413,)),
    Case("no body", post("Content-Length: 0", body=""), (400, 200)),
    Case("a body that is no JSON", post("Content-Length: 1", body="{"), (400, 200)),
    Case("a list", post("Content-Length: 2", body="[]"), (400, 200)),
    Case("a deep list", post("Content-Length: 60000", body="[" * 60_000), (400, 200)),
    Case("a number without end", post("Content-Length: 60000", body="9" * 60_000), (400, 200)),
    Case("half a letter", post("Content-Length: 3", body='"\xc3"'), (400, 200)),
    Case("a lone surrogate", post("Content-Length: 8", body='"\\ud800"'), (400, 200)),
    Case("nulls for JSON", post("Content-Length: 4", body="\x00" * 4), (400, 200)),
    Case(
        "JSON behind a mark",
        post(f"Content-Length: {len(JSON) + 3}", body="\xef\xbb\xbf" + JSON),
        (400, 200),
    ),
    Case(
        "a field twice",
        post("Content-Length: 33", body='{"trx_id":"H{n}","trx_id":"H{n}"}'),
        (400, 200),
    ),
    Case("a form", post("Content-Length: 10", body="trx_id=H{n}"[:10]), (400, 200)),
]

# A request hidden in what another server may take for a body, or behind one.
HIDDEN = [
    Case(
        "an order in the body of a GET",
        get("Content-Length: {order_length}", target="/healthz", body=ORDER),
        (200, 200),
    ),
    Case(
        "an order in the chunks of a GET",
        get(CHUNKED, target="/healthz", body="{order_hex}\r\n" + ORDER + "\r\n0\r\n\r\n"),
        (200, 200),
    ),
    Case(
        "an order in a HEAD",
        line("HEAD /healthz HTTP/1.1", "Content-Length: {order_length}", body=ORDER),
        (405, 200),
    ),
    Case(
        "an order in a body nobody wants",
        line("POST /nothing HTTP/1.1", "Content-Length: {order_length}", body=ORDER),
        (404, 200),
    ),
    Case(
        "an order in a body of OPTIONS",
        line("OPTIONS /v2/order HTTP/1.1", "Content-Length: {order_length}", body=ORDER),
        (405, 200),
    ),
    Case("an order behind CONNECT", line("CONNECT x:1 HTTP/1.1", body=ORDER), (405,)),
    Case(
        "an order behind an upgrade",
        get("Connection: Upgrade", "Upgrade: websocket", target="/healthz", body=ORDER),
        (200,),
    ),
    Case(
        "an order behind HTTP/2",
        get(
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAA",
            target="/healthz",
            body=ORDER,
        ),
        (200,),
    ),
    Case(
        "an order behind TLS",
        get("Connection: Upgrade", "Upgrade: TLS/1.0", target="/healthz", body=ORDER),
        (200,),
    ),
    Case(
        "an order behind a close", get("Connection: close", target="/healthz", body=ORDER), (400,)
    ),
    Case("an order behind HTTP/1.0", line("GET /healthz HTTP/1.0", body=ORDER), (400,)),
    Case("an order behind a broken one", get("X", target="/healthz", body=ORDER), (400,)),
    Case("an order in a trailer", post(CHUNKED, body="2\r\n[]\r\n0\r\n" + ORDER), (400,)),
    Case(
        "a method in a field", get("X-HTTP-Method-Override: GET", target="/v2/order"), (405, 200)
    ),
]

PATHS = [
    Case("a path above", get(target="/../v3/otomax/order?apikey={key}"), (404, 200)),
    Case("an encoded path above", get(target="/%2e%2e/v3/otomax/order?apikey={key}"), (404, 200)),
    Case("two slashes", get(target="//v3/otomax/order?apikey={key}"), (404, 200)),
    Case("a backslash", get(target="/v3\\otomax\\order?apikey={key}"), (404, 200)),
    Case("an encoded slash", get(target="/v3%2fotomax/order?apikey={key}"), (404, 200)),
    Case("a slash at the end", get(target="/v3/otomax/order/?apikey={key}"), (404, 200)),
    Case("a null at the end", get(target="/v3/otomax/order%00?apikey={key}"), (404, 200)),
    Case("a parameter of the path", get(target="/v3/otomax/order;a=b?apikey={key}"), (404, 200)),
    Case("capitals", get(target="/V3/OTOMAX/ORDER?apikey={key}"), (404, 200)),
    Case("a file", get(target="/etc/passwd"), (404, 200)),
    Case("the configuration", get(target="/.env"), (404, 200)),
    Case("the desk", post(LENGTH, path="/desk"), (404, 200)),
    Case("the metrics of the public", get(target="/metrics"), (404, 200)),
    Case("a status of a null", get("Authorization: {key}", target="/v1/status/%00"), (404, 200)),
    Case(
        "a status of no UTF-8", get("Authorization: {key}", target="/v1/status/%ff%fe"), (404, 200)
    ),
    Case(
        "a status of a line break",
        get("Authorization: {key}", target="/v1/status/a%0d%0aX:%20y"),
        (404, 200),
    ),
    Case(
        "a status of a quote",
        get("Authorization: {key}", target="/v1/status/trx-id/'%20OR%201=1--"),
        (404, 200),
    ),
    Case(
        "a status without end",
        get("Authorization: {key}", target="/v1/status/" + "9" * 20_000),
        (404, 200),
    ),
    Case(
        "a text status of no UTF-8", get(target="/v1/otomax/status/%ff?apikey={key}"), (200, 200)
    ),
    Case("POST to an order of the text", post(LENGTH, path="/v3/otomax/order"), (405, 200)),
    Case(
        "PUT to an order of the JSON",
        line("PUT /v2/order HTTP/1.1", "Authorization: {key}", LENGTH, body=JSON),
        (405, 200),
    ),
    Case("TRACE", line("TRACE {order} HTTP/1.1"), (405, 200)),
    Case("WebDAV", line("PROPFIND {order} HTTP/1.1"), (405, 200)),
    Case("PURGE", line("PURGE {order} HTTP/1.1"), (405, 200)),
    Case("M-SEARCH", line("M-SEARCH {order} HTTP/1.1"), (405, 200)),
]

CALLBACKS = [
    Case(
        "HEAD of a callback", line("HEAD /callback/{token}?" + CALLBACK + " HTTP/1.1"), (405, 200)
    ),
    Case("PUT of a callback", line("PUT /callback/{token}?" + CALLBACK + " HTTP/1.1"), (405, 200)),
    Case("a token in capitals", get(target="/callback/{TOKEN}?" + CALLBACK), (403, 200)),
    Case("half a token", get(target="/callback/{half}?" + CALLBACK), (403, 200)),
    Case("a token of another", get(target="/callback/{token}x?" + CALLBACK), (403, 200)),
    Case("a token that is none", get(target="/callback/%00%ff?" + CALLBACK), (403, 200)),
    Case("a token without end", get(target="/callback/" + "a" * 20_000), (403, 200)),
    Case("a token and a slash", get(target="/callback/{token}/?" + CALLBACK), (404, 200)),
    Case("a token with a parameter", get(target="/callback/{token};x?" + CALLBACK), (403, 200)),
    Case("no signature", line("POST /callback/{token} HTTP/1.1", LENGTH, body=JSON), (401, 200)),
    Case(
        "two signatures",
        line(
            "POST /callback/{token} HTTP/1.1",
            "x-signature: a",
            "x-signature: b",
            LENGTH,
            body=JSON,
        ),
        (401, 200),
    ),
    Case(
        "a signature of no ASCII",
        line("POST /callback/{token} HTTP/1.1", "x-signature: \xc3\xa9", LENGTH, body=JSON),
        (401, 200),
    ),
    Case(
        "a signature without end",
        line("POST /callback/{token} HTTP/1.1", "x-signature: " + "a" * 8000, LENGTH, body=JSON),
        (401, 200),
    ),
    Case(
        "a packed callback",
        line(
            "POST /callback/{token} HTTP/1.1",
            "x-signature: a",
            "Content-Encoding: gzip",
            LENGTH,
            body=JSON,
        ),
        (415,),
    ),
    Case(
        "a callback without end",
        line(
            "POST /callback HTTP/1.1",
            "x-signature: a",
            "Content-Length: 10000000",
            body="x" * 100_000,
        ),
        (413,),
    ),
    Case(
        "a callback of nobody's",
        line("POST /callback HTTP/1.1", "x-signature: a", LENGTH, body=JSON),
        (401, 200),
    ),
]

OPS = [
    Case("orders at the operator's door", get(), (404, 200), "admin"),
    Case(
        "POST of metrics", line("POST /metrics HTTP/1.1", LENGTH, body=JSON), (405, 200), "admin"
    ),
    Case("HEAD of metrics", line("HEAD /metrics HTTP/1.1"), (405, 200), "admin"),
    Case("a path below metrics", get(target="/metrics/../healthz"), (404, 200), "admin"),
    Case("CONNECT at the operator's door", line("CONNECT x:1 HTTP/1.1"), (405,), "admin"),
    Case("TLS at the operator's door", "\x16\x03\x01{key}", (400,), "admin"),
    Case("a long line at the operator's door", get(target="/" + "x" * 30_000), (414,), "admin"),
    Case(
        "an expectation at the operator's door",
        get("Expect: x", target="/readyz"),
        (417, 200),
        "admin",
    ),
    Case("a body of healthz", get(LENGTH, target="/healthz", body=JSON), (200, 200), "admin"),
]

# They stop in the middle: cut off when their time is over, or told so.
UNFINISHED = [
    Case("nothing", "", CUT, is_whole=False),
    Case("one letter", "G", CUT, is_whole=False),
    Case("half a line", "GET {order}", CUT, is_whole=False),
    Case("no end of the fields", "GET {order} HTTP/1.1\r\nHost: x\r\n", CUT, is_whole=False),
    Case("half a field", "GET {order} HTTP/1.1\r\nHost: x\r\nX-A: {key}", CUT, is_whole=False),
    Case("empty lines", "\r\n" * 10, CUT, is_whole=False),
    Case("a CR at the end", "GET {order} HTTP/1.1\r\nHost: x\r\n\r", CUT, is_whole=False),
    Case("half a body", post(LENGTH, body=JSON[:20]), (408,), is_whole=False),
    Case("no body that was said", post(LENGTH, body=""), (408,), is_whole=False),
    Case("half a chunk", post(CHUNKED, body=CHUNKS[:20]), (408,), is_whole=False),
    Case("no last chunk", post(CHUNKED, body=CHUNKS[:-5]), (408,), is_whole=False),
    Case("a body nobody reads", get(LENGTH, target="/healthz"), (200,), is_whole=False),
    Case(
        "a body that is asked for",
        post(LENGTH, "Expect: 100-continue", body=""),
        (100, 408),
        is_whole=False,
    ),
    Case("half a hidden body", line("POST /nothing HTTP/1.1", LENGTH), (404,), is_whole=False),
    Case(
        "half a callback",
        line("POST /callback/{token} HTTP/1.1", "x-signature: a", LENGTH),
        (408,),
        is_whole=False,
    ),
    Case("half a request for metrics", "GET /metrics HTTP/1.1\r\n", CUT, "admin", is_whole=False),
    Case("a CONNECT that waits", line("CONNECT x:1 HTTP/1.1"), (405,), is_whole=False),
    Case(
        "an upgrade that waits",
        get("Connection: Upgrade", "Upgrade: websocket", target="/healthz"),
        (200,),
        is_whole=False,
    ),
]

ALL = [*LINES, *OTHER_PROTOCOLS, *FIELDS, *BODIES, *HIDDEN, *PATHS, *CALLBACKS, *OPS, *UNFINISHED]
