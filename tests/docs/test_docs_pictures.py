"""Every picture is one that `make screenshots` takes, small, and shown somewhere."""

from tests.browser.run_screenshots import FOLDER, PICTURES
from tests.docs.markdown import pages, read

MAX_BYTES = 150_000  # a page with six of them still opens on a phone


def test_every_picture_can_be_taken_again() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.png" for name in PICTURES}


def test_every_picture_is_small_and_one_that_browsers_show() -> None:
    for file in FOLDER.iterdir():
        picture = file.read_bytes()
        assert picture.startswith(b"\x89PNG\r\n")
        assert len(picture) < MAX_BYTES, file.name


def test_every_picture_is_shown() -> None:
    text = "".join(read(page) for page in pages())
    assert [name for name in PICTURES if f"images/{name}.png" not in text] == []
