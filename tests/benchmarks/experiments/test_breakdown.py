from benchmarks.experiments.breakdown import PARTS, breakdown_chart, breakdown_table

FOUND = {1: [0.1, 0.02, 0.0, 0.0, 0.0, 0.0], 4: [0.1, 0.03, 0.2, 0.04, 0.3, 0.0]}


def test_every_part_of_every_scenario_is_drawn_and_told() -> None:
    chart, table = breakdown_chart(FOUND), breakdown_table(FOUND)
    assert [series.label for series in chart.series] == list(PARTS)
    assert [sum(series.y[place] for series in chart.series) for place in (0, 1)] == [
        sum(parts) for parts in FOUND.values()
    ]
    assert list(table.columns[1:]) == list(PARTS)
    assert table.rows == [("scenario 1", *FOUND[1]), ("scenario 4", *FOUND[4])]
