"""Writes the pages that are made from the program's tables: `make guide`."""

from tests.docs.generated import generated

if __name__ == "__main__":
    for page, text in generated().items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
        print(page)  # noqa: T201  it says what it wrote
