"""The guide from its first page to its last, typed as a new operator would type it."""

from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, GUIDE, REFERENCE
from tests.docs.story import Story


@pytest.mark.timeout(600)  # on a machine that does much else
def test_the_guide_is_run_in_the_order_of_its_pages(tmp_path: Path) -> None:
    """From a bare server to everything that an operator does; then what stands beside it."""
    guide = [DOCS / "id" / f"{name}.md" for name in GUIDE[1:]]
    wrong = Story(tmp_path, is_peopled=True).run([*guide, *REFERENCE])
    assert not wrong, "\n\n".join(wrong)
