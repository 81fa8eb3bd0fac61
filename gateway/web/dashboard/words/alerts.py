"""Words of *Peringatan*; what each kind is called and what to do stands in `domain.alert`."""

from typing import Final

ALERTS: Final[dict[str, tuple[str, str]]] = {
    "alerts.title": ("Peringatan", "Alerts"),
    "alerts.which": ("Peringatan yang mana", "Which alerts"),
    "alerts.open": ("Terbuka", "Open"),
    "alerts.past": ("Semua, juga yang lewat", "All, past ones too"),
    "alerts.kind": ("Jenis", "Kind"),
    "alerts.any": ("Semua jenis", "Any kind"),
    "alerts.show": ("Tampilkan", "Show"),
    "alerts.none": ("Tidak ada peringatan.", "There is no alert."),
    "alerts.since": ("Sejak", "Since"),
    "alerts.acked": ("ditandai", "noted"),
    "alerts.ended": ("selesai", "over"),
    "alerts.todo": ("Yang perlu dilakukan:", "What to do:"),
    "alerts.ack": ("Tandai sudah dibaca", "Take note"),
    "alerts.ack_of": ("Tandai peringatan {id}", "Take note of alert {id}"),
    "alerts.ack_all": ("Tandai {count} di halaman ini", "Take note of the {count} shown"),
    "severity.warning": ("perhatian", "warning"),
    "severity.critical": ("darurat", "critical"),
    "done.noted": ("Peringatan ditandai.", "Noted."),
}
