"""Every mistake of a configuration gets its exact line: place, key, what was wanted, what came."""

from pathlib import Path

import pytest

from gateway.config import ConfigError, load_settings

URL = "https://gw.example.com"
PUBLIC = f'public_url = "{URL}"\n'


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def mistakes_of(path: Path | None, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ)
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return caught.value.mistakes


LISTEN = "wanted HOST:PORT such as 127.0.0.1:8080 or [::1]:8080, the port from 0 to 65535, got "
BASE = "wanted an address such as https://gateway.toko.id, without user, query or fragment, got "
NETWORKS = "wanted a list of addresses or networks such as 10.0.0.0/8, got "
COUNT = "wanted a whole number from 1 to 1000000000, got "
TIMEOUT = "wanted seconds, more than 0 and at most 31536000, got "
SCHEDULE = "wanted a list of 1 to 1000 waiting times in seconds, each from {} to 31536000, got "
STORAGE = (
    "wanted sqlite:///FILE, sqlite:////FOLDER/FILE from the root, or postgresql://USER:PASSWORD"
    "@HOST/DATABASE (what came is not shown: it may hold a password)"
)

WRONG_VALUES = [
    *(
        ("server.listen", f'"{v}"', f"{LISTEN}'{v}'")
        for v in (
            *("", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"),
            *(
                "300.1.1.1:80",
                "::1:80",
                "[::1]",
                "[1.2.3.4]:80",
                "a b:80",
                "http://h:80",
                "h:\u0661",
            ),
        )
    ),
    ("server.listen", "8080", f"{LISTEN}8080"),
    ("server.listen", "true", f"{LISTEN}true"),
    ("server.listen", "{ host = 1 }", f"{LISTEN}a table"),
    ("server.listen", "[1]", f"{LISTEN}a list"),
    ("server.listen", "2020-01-01", f"{LISTEN}a date or time"),
    *(
        ("server.public_url", f'"{v}"', f"{BASE}'{v}'")
        for v in (
            *("gw.example.com", "ftp://h", "http://", "https:///x", "http://h?x=1", "http://h#x"),
            *(
                "http://h:99999",
                "http://h:x",
                "http://h:0",
                "http://h:",
                "http://[::1",
                "http://a b",
            ),
            *("http://300.1.1.1", "http://-x", "http://h\u00e9"),
        )
    ),
    ("server.public_url", '"http://u:CANARY@h"', f"{BASE}something with an @ (not shown)"),
    (
        "server.public_url",
        '"http://0.0.0.0:80"',
        "wanted an address that can be called; 0.0.0.0 and :: are none",
    ),
    ("upstream.base_url", '"api.tossgames.com"', f"{BASE}'api.tossgames.com'"),
    *(
        ("server.reply_timeout_s", v, f"wanted seconds, more than 0 and below 3600, got {shown}")
        for v, shown in (
            ("0", "0"),
            ("-1", "-1"),
            ("3600", "3600"),
            ("nan", "nan"),
            ("inf", "inf"),
        )
    ),
    ("upstream.timeout_s", "0", f"{TIMEOUT}0"),
    ("upstream.timeout_s", '"60"', f"{TIMEOUT}'60'"),
    ("upstream.timeout_s", "true", f"{TIMEOUT}true"),
    ("upstream.timeout_s", "1" + "0" * 400, f"{TIMEOUT}a far too large number"),
    ("delivery.timeout_s", "-0.5", f"{TIMEOUT}-0.5"),
    ("upstream.unreachable_s", "-1", "wanted seconds, from 0 to 31536000, got -1"),
    ("server.trusted_proxies", '"10.0.0.0/8"', f"{NETWORKS}'10.0.0.0/8'"),
    ("server.trusted_proxies", '["10.0.0.0/8", "10.0.0.0/33"]', f"{NETWORKS}'10.0.0.0/33'"),
    ("upstream.callback_ips", '["api.tossgames.com"]', f"{NETWORKS}'api.tossgames.com'"),
    ("upstream.callback_ips", "[1]", f"{NETWORKS}1"),
    ("upstream.max_in_flight", "0", f"{COUNT}0"),
    ("upstream.max_in_flight", "1.5", f"{COUNT}1.5"),
    ("upstream.max_in_flight", '"abc"', f"{COUNT}'abc'"),
    ("delivery.per_host", "true", f"{COUNT}true"),
    ("limits.max_open_orders", "1000000001", f"{COUNT}1000000001"),
    ("recheck.schedule_s", "[]", f"{SCHEDULE.format('0.1')}0 of them"),
    ("recheck.schedule_s", "[1, 0.05]", f"{SCHEDULE.format('0.1')}0.05"),
    ("recheck.schedule_s", '[1, "2"]', f"{SCHEDULE.format('0.1')}'2'"),
    ("delivery.schedule_s", "[0, -1]", f"{SCHEDULE.format('0')}-1"),
    ("delivery.schedule_s", "5", f"{SCHEDULE.format('0')}5"),
    ("delivery.schedule_s", "[nan]", f"{SCHEDULE.format('0')}nan"),
    ("limits.orders_per_s", "-1", "wanted a number from 0 to 1000000000, got -1"),
    ("delivery.allow_private", '"yes"', "wanted true or false, got 'yes'"),
    ("delivery.allow_private", "1", "wanted true or false, got 1"),
    ("log.format", '"xml"', "wanted auto, console or json, got 'xml'"),
    ("log.level", '"INFO"', "wanted debug, info, warning or error, got 'INFO'"),
    ("secrets.key_file", '""', "wanted the name of a file, got ''"),
    (
        "secrets.key_file",
        f'"{"CANARY" * 7}A="',
        "wanted the name of a file, got what looks like a key itself (not shown)",
    ),
    *(
        ("storage.url", f'"{v}"', STORAGE)
        for v in (
            *(
                "CANARY",
                "sqlite://CANARY.db",
                "sqlite:///",
                "sqlite:///:memory:",
                "mysql://CANARY/x",
            ),
            *("sqlite:///CANARY/", "sqlite:///CANARY?mode=ro", "postgresql://u:CANARY@h"),
            *("postgresql://u:CANARY@h:port/db", "postgresql://[CANARY/db", "sqlite:///CANARY\\n"),
        )
    ),
]


@pytest.mark.parametrize(("name", "toml", "sentence"), WRONG_VALUES)
def test_a_wrong_value_gets_its_line_and_sentence(
    tmp_path: Path, name: str, toml: str, sentence: str
) -> None:
    section, _, key = name.partition(".")
    public = "" if name == "server.public_url" else PUBLIC
    path = write(tmp_path, f"[server]\n{public}\n[{section}]\n{key} = {toml}\n")
    if section == "server":
        path = write(tmp_path, f"\n\n[server]\n{key} = {toml}\n{public}")
    line = 4 if section == "server" else 5
    assert mistakes_of(path, {}) == [f"{path}:{line}: {name}: {sentence}"]
    assert "CANARY" not in mistakes_of(path, {})[0]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("UPSTREAM__MAX_IN_FLIGHT", "abc", f"{COUNT}'abc'"),
        ("UPSTREAM__MAX_IN_FLIGHT", "\u0663", f"{COUNT}'\u0663'"),
        ("UPSTREAM__MAX_IN_FLIGHT", "", f"{COUNT}''"),
        ("UPSTREAM__TIMEOUT_S", "nan", f"{TIMEOUT}'nan'"),
        ("UPSTREAM__TIMEOUT_S", "1_0", f"{TIMEOUT}'1_0'"),
        ("RECHECK__SCHEDULE_S", "1,x", f"{SCHEDULE.format('0.1')}'x'"),
        ("RECHECK__SCHEDULE_S", "[1,", f"{SCHEDULE.format('0.1')}'[1,'"),
        ("RECHECK__SCHEDULE_S", "", f"{SCHEDULE.format('0.1')}0 of them"),
        ("DELIVERY__ALLOW_PRIVATE", "ja", "wanted true or false, got 'ja'"),
        ("UPSTREAM__BASE_URL", "x\ny\udcff", f"{BASE}'x\\ny\\udcff'"),
        ("STORAGE__URL", "postgres://u:CANARY@h/db", STORAGE),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    path = write(tmp_path, f"[server]\n{PUBLIC}")
    key = name.lower().replace("__", ".")
    assert mistakes_of(path, {f"OTOMAX_GATEWAY_{name}": text}) == [
        f"$OTOMAX_GATEWAY_{name}: {key}: {sentence}"
    ]


NOT_TOML = "this is not TOML: "
FILES = [
    ("[servr]\nlisten = 1\n", ["1: servr: there is no such section; did you mean server?"]),
    ("[xyz]\n", ["1: xyz: there is no such section"]),
    ("[[xyz]]\n", ["1: xyz: there is no such section"]),
    ('listen = ""\n', ["1: listen: there is no such key; did you mean server.listen?"]),
    ("qqqq = 1\n", ["1: qqqq: there is no such key"]),
    ("admin = 5\n", ["1: admin: wanted a section [admin] with its keys, got 5"]),
    ("[[admin]]\n", ["1: admin: wanted a section [admin] with its keys, got a list"]),
    (
        "[admin]\nlisen = 1\n",
        ["2: admin.lisen: there is no such key; did you mean admin.listen?"],
    ),
    (
        "[admin]\npublic_ulr = 1\n",
        ["2: admin.public_ulr: there is no such key; did you mean server.public_url?"],
    ),
    ("[admin.zzz]\nx = 1\n", ["1: admin.zzz: there is no such key"]),
    ('"a\\nb" = 1\n', ["1: a\\nb: there is no such key"]),
    ("admin.qqqq = 1\n", ["1: admin.qqqq: there is no such key"]),
    ("admin = { qqqq = 1 }\n", ["1: admin.qqqq: there is no such key"]),
]


@pytest.mark.parametrize(("text", "expected"), FILES)
def test_unknown_names_are_mistakes(tmp_path: Path, text: str, expected: list[str]) -> None:
    path = write(tmp_path, f"{text}[server]\n{PUBLIC}")
    assert mistakes_of(path, {}) == [f"{path}:{line}" for line in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[server]\nlisten\n", ":2: this is not TOML: expected '=' after a key"),
        (b"[server]\nlisten = \n", ":2: this is not TOML: invalid value"),
        (b"[server]\n[server]\n", ":2: this is not TOML: cannot declare"),
        (b"a = 1\na = 2\n", ":2: this is not TOML: cannot overwrite a value"),
        (b'a = """\n\n', ":1: this is not TOML: "),
        (b"a = 1\nb = '\xff'\n", ":2: this is not UTF-8 text"),
        (b"a = " + b"[" * 5000, ": this is not TOML that can be read"),
        (b"a = " + b"9" * 5000, ": this is not TOML that can be read"),
        (b"#" * 300_000, ": wanted at most 262144 bytes, got more"),
    ],
)
def test_what_is_not_toml_is_the_only_mistake(tmp_path: Path, text: bytes, expected: str) -> None:
    path = write(tmp_path, text)
    (mistake,) = mistakes_of(path, {})
    assert mistake.startswith(f"{path}{expected}")
    assert " (at " not in mistake


def test_a_syntax_error_shows_nothing_of_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, '[storage]\nurl = "postgresql://u:CANARY@h/db\n')
    assert "CANARY" not in "".join(mistakes_of(path, {}))


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("OTOMAX_GATEWAY_SERVER__LISTN", "; did you mean $OTOMAX_GATEWAY_SERVER__LISTEN?"),
        ("OTOMAX_GATEWAY_SERVER_LISTEN", "; did you mean $OTOMAX_GATEWAY_SERVER__LISTEN?"),
        ("otomax_gateway_log__level", "; did you mean $OTOMAX_GATEWAY_LOG__LEVEL?"),
        ("OTOMAX_GATEWAY_CONFG", "; did you mean $OTOMAX_GATEWAY_CONFIG?"),
        ("OTOMAX_GATEWAY_" + "Q" * 60, ""),
    ],
)
def test_unknown_variables_are_mistakes(tmp_path: Path, variable: str, near: str) -> None:
    path = write(tmp_path, f"[server]\n{PUBLIC}")
    assert mistakes_of(path, {variable: "CANARY"}) == [f"${variable}: there is no such key{near}"]


def test_all_mistakes_come_at_once_in_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "[log]\nlevel = 1\n[server]\nlisten = 'x'\nlistn = 2\n[admin]\nlisten = '[::1]:8080'\n"
        "[upstream]\nbase_url = 'http://[::1]:8080/'\n",
    )
    environ = {"OTOMAX_GATEWAY_LIMITS__ORDERS_PER_S": "x", "OTOMAX_GATEWAY_CATALOG__TTL": "1"}
    assert mistakes_of(path, environ) == [
        f"{path}:2: log.level: wanted debug, info, warning or error, got 1",
        f"{path}:4: server.listen: {LISTEN}'x'",
        f"{path}:5: server.listn: there is no such key; did you mean server.listen?",
        (
            f"{path}:9: upstream.base_url: wanted the upstream's address, got admin.listen: "
            "orders would go in a circle"
        ),
        (
            f"{path}: server.public_url: is missing; write the address at which the upstream "
            "reaches "
            'this gateway, such as public_url = "https://gateway.toko.id", in [server]'
        ),
        (
            "$OTOMAX_GATEWAY_CATALOG__TTL: there is no such key; "
            "did you mean $OTOMAX_GATEWAY_CATALOG__TTL_S?"
        ),
        (
            "$OTOMAX_GATEWAY_LIMITS__ORDERS_PER_S: limits.orders_per_s: "
            "wanted a number from 0 to 1000000000, got 'x'"
        ),
    ]


@pytest.mark.parametrize(
    ("server", "admin", "collide"),
    [
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("0.0.0.0:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "[::]:80", True),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_two_listeners_need_two_addresses(
    tmp_path: Path, server: str, admin: str, *, collide: bool
) -> None:
    path = write(tmp_path, f"[server]\n{PUBLIC}listen='{server}'\n[admin]\nlisten='{admin}'\n")
    if not collide:
        assert load_settings(path, {}).admin.listen == admin
        return
    assert mistakes_of(path, {}) == [
        (
            f"{path}:5: admin.listen: wanted another address than server.listen ({server}), "
            f"got {admin}"
        )
    ]


def test_a_collision_with_a_default_stands_at_the_key_that_was_written(tmp_path: Path) -> None:
    path = write(tmp_path, f"[server]\n{PUBLIC}listen = '127.0.0.1:8081'\n")
    (mistake,) = mistakes_of(path, {})
    assert mistake.startswith(f"{path}:3: admin.listen: wanted another address")


@pytest.mark.parametrize("base", [URL, f"{URL}/", "http://127.0.0.1:8080"])
def test_the_upstream_is_not_the_gateway(tmp_path: Path, base: str) -> None:
    path = write(tmp_path, f'[server]\n{PUBLIC}[upstream]\nbase_url = "{base}"\n')
    (mistake,) = mistakes_of(path, {})
    assert mistake.startswith(f"{path}:4: upstream.base_url: wanted the upstream's address, got ")


def test_no_file_at_all_points_to_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert mistakes_of(None, {"OTOMAX_GATEWAY_CONFIG": ""}) == [
        (
            "config.toml: there is no such file, and the environment does not give "
            "server.public_url; "
            "name it with --config where it lies in another folder, or make it with "
            "`otomax-gateway init`"
        )
    ]


@pytest.mark.parametrize("given_by", ["argument", "environment"])
def test_a_named_file_must_exist(tmp_path: Path, given_by: str) -> None:
    path = tmp_path / "absent.toml"
    sentence = f"{path}: there is no such file; `otomax-gateway init` makes one"
    if given_by == "argument":
        assert mistakes_of(path, {}) == [sentence]
    else:
        assert mistakes_of(None, {"OTOMAX_GATEWAY_CONFIG": str(path)}) == [sentence]
    assert mistakes_of(tmp_path, {}) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_the_argument_beats_the_variable_that_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, f"[server]\n{PUBLIC}")
    environ = {"OTOMAX_GATEWAY_CONFIG": str(tmp_path / "absent.toml")}
    assert load_settings(path, environ).server.public_url == URL
