from benchmarks.experiments.tried import TRIED


def test_whatever_was_tried_has_its_figure_and_verdict() -> None:
    assert TRIED.columns == ("what", "figure", "verdict")
    assert TRIED.rows
    assert all(isinstance(cell, str) and cell for row in TRIED.rows for cell in row)
    assert {len(row) for row in TRIED.rows} == {3}
