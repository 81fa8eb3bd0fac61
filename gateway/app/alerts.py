"""What `[alert]` means in the parts' own words: thresholds, reminding, and the channels.

The channels' secrets come from the configuration, the environment or files of their own, and go
into the channels alone.
"""

from pathlib import Path

from gateway.clients.channels import Telegram, Webhook
from gateway.clients.notices import NoticeClient
from gateway.config import Settings
from gateway.domain.saldo import Limits
from gateway.domain.watch import Thresholds
from gateway.flow.notifier import Channel, Notifier, Reminding
from gateway.log import get_logger

log = get_logger(__name__)

_MAX_SECRET_BYTES = 4096  # a longer file is another one


def thresholds_of(settings: Settings) -> Thresholds:
    """Return from when on the operator is told."""
    alert = settings.alert
    return Thresholds(
        orders_open_s=alert.orders_open_s,
        upstream_silent_s=alert.upstream_silent_s,
        delivery_late_s=alert.delivery_late_s,
        saldo=Limits(alert.saldo_below, alert.saldo_hours),
        disk_free_mib=alert.disk_free_mib,
        backup_s=alert.backup_s,
    )


def channels_of(settings: Settings, client: NoticeClient) -> list[Channel]:
    """Return where the operator hears.

    One whose secret can not be read is logged and left out: that is no reason not to sell.
    """
    channels: list[Channel] = []
    alert = settings.alert
    if alert.telegram_chat:
        token = _secret(settings, "telegram_token")
        if token:
            url, chat = alert.telegram_url, alert.telegram_chat
            channels.append(Telegram(client, url, token, chat))
        else:
            log.error("alert.channel_unusable", channel="telegram", reason="there is no token")
    if alert.webhook_url:
        secret = _secret(settings, "webhook_secret")
        if secret is None:
            reason = "its secret can not be read"
            log.error("alert.channel_unusable", channel="webhook", reason=reason)
        else:
            channels.append(Webhook(client, alert.webhook_url, secret or None))
    return channels


def _secret(settings: Settings, key: str) -> str | None:
    """Return a secret, from its file where one is named; None where that can not be read."""
    name: str = getattr(settings.alert, f"{key}_file")
    if not name:
        given: str = getattr(settings.alert, key)
        return given
    try:
        return read_secret(settings.beside(name))
    except (OSError, ValueError):
        return None


def read_secret(path: Path) -> str:
    """Read a file that holds one secret.

    Raises:
        OSError: it can not be read.
        ValueError: it is empty, or no secret.
    """
    with path.open("rb") as file:
        text = file.read(_MAX_SECRET_BYTES).decode("ascii").strip()
    if not text or not text.isprintable() or " " in text:
        raise ValueError("wanted one word of printable ASCII")
    return text


def follow(notifier: Notifier, client: NoticeClient, settings: Settings) -> None:
    """Tell the operator as this configuration says, from now on."""
    client.timeout_s = settings.alert.timeout_s
    notifier.channels = channels_of(settings, client)
    notifier.name = settings.alert.name
    notifier.reminding = Reminding(
        every_s=settings.alert.remind_s, at_most=settings.alert.reminders
    )
