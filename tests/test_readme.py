"""What README shows of measurements is what the committed run holds, to the letter."""

from __future__ import annotations

from docs import generate
from workbench.store.run_folder import open_run


def test_readme_and_its_picture_are_made_from_the_committed_run() -> None:
    run = open_run(generate.RUN)
    text = generate.README.read_text()
    assert generate.readme(run, text) == text, "README is not what its run says; make readme"
    assert generate.PICTURE.read_text() == generate.picture(run), "docs/ladder.svg is stale; make readme"
    assert len(generate.rows_of(run)) > 10
