from tests.architecture.diagrams import PAGE, page


def test_the_state_diagrams_are_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_table_is_drawn() -> None:
    drawn = page()
    assert drawn.count("stateDiagram-v2") == 5
    assert "running --> interrupting: " in drawn
    assert "half_open --> closed: " in drawn
