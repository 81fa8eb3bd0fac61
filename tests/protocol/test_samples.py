"""Every line of text of the upstream's document, read and written back to the same bytes."""

import re

import msgspec
import pytest
from msgspec.structs import replace

from gateway.domain.errors import SENTENCES, Code
from gateway.domain.order import Evidence, Silence, Source, Status
from gateway.protocol.callback import parse_callback
from gateway.protocol.text import (
    Line,
    order_answer,
    parse_order,
    parse_status,
    parse_user,
    relayed_answer,
    render,
    status_answer,
)
from gateway.protocol.upstream import (
    read_envelope,
    read_lookup_reply,
    read_order_reply,
    read_user_reply,
)
from tests.protocol.wire import SAMPLES, SN, T0, json, order, sample, sold, text

ORDER_LINES = ["otomax_order_v1.txt", "otomax_order_v2.txt", "otomax_order_v3.txt"]
STATUS_LINES = ["otomax_status.txt", "otomax_callback_msg.txt"]
ORDER_LINE = Line(
    trx_id="123424324",
    target="S1_1187.123456789|1234",
    status="PENDING",
    note="RefId : ML_1680405885_1234",
    saldo=12345,
)
STATUS_LINE = Line(
    trx_id="1234243244",
    invoice_number="APIKUY_XX_1679528285_4321",
    target="S1_1187.123456789(1234)",
    status="SUCCESS",
    note=SN,
    saldo=12343,
)
NO_COMMENT = re.compile(r"//[^\n]*")  # the document writes comments into its JSON


def test_every_sample_is_read_by_some_test() -> None:
    named = {
        *ORDER_LINES,
        *STATUS_LINES,
        "otomax_user.txt",
        "otomax_callback_url.txt",
        "status_by_trx_id_200.json",
        "status_by_trx_id_404.json",
        "status_by_invoice_200.json",
        "status_by_invoice_404.json",
        "order_v1_201.json",
        "order_v2_201.json",
        "user_200.json",
        "user_404.json",
    }
    assert {path.name for path in SAMPLES.iterdir()} == named


@pytest.mark.parametrize("name", ORDER_LINES)
def test_an_order_line_is_read_and_written_back(name: str) -> None:
    assert parse_order(sample(name)) == ORDER_LINE
    assert render(ORDER_LINE) == sample(name)


@pytest.mark.parametrize("name", STATUS_LINES)
def test_a_status_line_is_read_and_written_back(name: str) -> None:
    assert parse_status(sample(name)) == STATUS_LINE
    assert render(STATUS_LINE) == sample(name)


@pytest.mark.parametrize("name", ORDER_LINES)
def test_an_order_reply_is_relayed_with_the_trx_id_turned_back(name: str) -> None:
    upstreams = sample(name).replace("R#123424324", "R#toko-123424324")
    evidence, line = read_order_reply(text(upstreams), order())
    assert evidence == Evidence(
        source=Source.REPLY,
        verdict=Status.PENDING,
        note="RefId : ML_1680405885_1234",
        saldo=12345,
        said_dest="123456789|1234",
        user_id="123456789",
        server_id="1234",
    )
    assert isinstance(line, Line)
    assert relayed_answer(line, order()) == sample(name)


def test_a_journaled_order_is_told_in_the_samples_words() -> None:
    pending = order(note="RefId : ML_1680405885_1234", said_dest="123456789|1234")
    assert order_answer(pending, 12345) == sample("otomax_order_v1.txt")
    assert status_answer(sold(), 12343) == sample("otomax_status.txt")


def test_the_user_line_is_relayed_as_it_is() -> None:
    line = sample("otomax_user.txt")
    assert parse_user(line) == 1234344
    assert read_user_reply(text(line)) == (line, 1234344)


def test_the_callback_is_read_without_its_msg() -> None:
    query = sample("otomax_callback_url.txt").partition("?")[2]
    for received in (query, query.partition("#")[0]):  # the raw `#` cuts it, or does not
        callback = parse_callback(received)
        assert callback.trx_id == "1234243244"
        assert callback.evidence == Evidence(
            source=Source.CALLBACK,
            verdict=Status.SUCCESS,
            note=SN,
            invoice_number="APIKUY_XX_1679528285_4321",
            callback_names="invoice_number,trx_id,status,sn,msg",
        )


def test_the_look_up_is_read() -> None:
    body = NO_COMMENT.sub("", sample("status_by_trx_id_200.json"))
    evidence = read_lookup_reply(json(body.replace("xxxxxxxxx", "toko-1")), "toko-1", T0)
    assert evidence == Evidence(
        source=Source.LOOKUP,
        verdict=Status.SUCCESS,
        note="Nickname - 123456789(1234) . RefId: XX_1679528285_1234",
        invoice_number="APIKUY_XX_1679528285_4321",
        product_price=1511,
        user_id="123456789",
        server_id="1234",
        invoice=evidence.invoice,
        asked_at=T0,
    )
    assert evidence.invoice is not None
    assert msgspec.json.decode(evidence.invoice) == msgspec.json.decode(body)["data"] | {
        "trx_id": "toko-1"
    }


@pytest.mark.parametrize("status", Status)
def test_each_of_the_six_words_of_a_look_up_is_read(status: Status) -> None:
    body = NO_COMMENT.sub("", sample("status_by_trx_id_200.json"))
    body = body.replace("xxxxxxxxx", "toko-1").replace('"SUCCESS"', f'"{status}"')
    assert read_lookup_reply(json(body), "toko-1", T0).verdict is status


@pytest.mark.parametrize(
    "name", ["status_by_invoice_200.json", "order_v1_201.json", "order_v2_201.json"]
)
def test_a_body_that_names_no_trx_id_is_evidence_of_nothing(name: str) -> None:
    body = NO_COMMENT.sub("", sample(name))
    for trx_id in ("toko-1", "None", "null"):
        assert read_lookup_reply(json(body), trx_id, T0).verdict is Silence.NO_ANSWER
    named = body.replace('"trx_id": null', '"trx_id": "toko-1"')
    assert read_lookup_reply(json(named), "toko-1", T0).verdict is Status.SUCCESS


def test_json_with_the_documents_comment_is_no_json() -> None:
    body = sample("status_by_trx_id_200.json").replace("xxxxxxxxx", "toko-1")
    assert read_lookup_reply(json(body), "toko-1", T0).verdict is Silence.NO_ANSWER


@pytest.mark.parametrize("name", ["status_by_trx_id_404.json", "status_by_invoice_404.json"])
def test_the_look_up_says_that_there_is_none(name: str) -> None:
    evidence = read_lookup_reply(json(sample(name), 404), "toko-1", T0)
    assert evidence == Evidence(source=Source.LOOKUP, verdict=Silence.NOT_FOUND, asked_at=T0)


def test_the_json_user_is_an_envelope_only_when_refused() -> None:
    refused = read_envelope(json(sample("user_404.json"), 404))
    assert refused is not None
    assert (refused.statusCode, refused.message, refused.error) == (
        404,
        "API_KEY_NOT_FOUND",
        "Not Found",
    )
    assert read_user_reply(json(sample("user_404.json"), 404)) is Code.API_KEY_NOT_FOUND
    assert read_envelope(json(sample("user_200.json"))) is None
    assert read_user_reply(json(sample("user_200.json"))) is Code.SERVER_ERROR


# The document's table "Response Message", word for word.
DESCRIPTIONS = {
    "API_KEY_NOT_FOUND": "Apikey tidak valid atau tidak ditemukan.",
    "IP_NOT_WHITELISTED": "IP Address Anda tidak masuk kedalam whitelist server kami, harap cek "
    "menu dashboard Whitelist IP Anda kembali.",
    "INSUFFICIENT_BALANCE": "Saldo Anda tidak mencukupi untuk melakukan pembelian.",
    "INVOICE_NOT_FOUND": "Nomor invoice tidak ditemukan, Anda hanya bisa melihat invoice yang di "
    "generate dengan apikey Anda.",
    "INVALID_USER_ID": "User ID tidak ditemukan, coba cek kembali inputan Anda.",
    "NICKNAME_NOT_FOUND": "Nickname dengan user id dan/atau server id tidak ditemukan.",
    "DUPLICATE_TRX_ID": "trx_id telah digunakan sebelumnya.",
    "PRODUCT_NOT_FOUND": "Kode produk tidak ditemukan.",
    "PRODUCT_INACTIVE": "Produk sedang tidak aktif.",
    "INVALID_CALLBACK_URL": "Callback url tidak valid.",
    "PAYMENT_METHOD_NOT_ALLOWED": "Untuk kategori e-wallet tidak dapat menggunakan saldo sebagai "
    "metode pembayaran.",
    "SERVER_ERROR": "Server mengalami error pada sisi kami.",
}


@pytest.mark.parametrize("code", DESCRIPTIONS)
def test_a_code_is_explained_as_in_the_document_but_for_the_word_that_marks_a_balance(
    code: str,
) -> None:
    other_word = {"Saldo Anda": "Dana Anda", "saldo sebagai": "deposit sebagai"}
    described = DESCRIPTIONS[code]
    for theirs, ours in other_word.items():
        described = described.replace(theirs, ours)
    assert SENTENCES[Code(code)] == described


def test_every_code_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Code)
    assert len(Code) == 12 + 7
    assert all("saldo" not in sentence.casefold() for sentence in SENTENCES.values())


@pytest.mark.parametrize("saldo", [0, 1, -5, 999_999_999_999_999])
def test_a_balance_is_read_and_written_back(saldo: int) -> None:
    line = replace(ORDER_LINE, saldo=saldo)
    assert parse_order(render(line)) == line


@pytest.mark.parametrize("saldo", ["012", "1.000", "1,000", "-0", "+5", "٣", "1e3", "", "1" * 16])
def test_what_is_no_balance_is_not_read_as_one(saldo: str) -> None:
    line = parse_order(f"R#1 P.1, status PENDING. x . Sisa saldo {saldo}")
    assert line is not None
    assert line.saldo is None
    assert parse_user(f"A. a@a.id. plan P. balance {saldo}") is None
