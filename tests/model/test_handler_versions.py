"""Whether a run goes on with the handlers there are now, by the versions that it noted."""

import pytest

from playbill.model.handler_versions import Changes, HandlerVersion, compare_versions


def noted(version: str | None = None, *accepts: str, source: str = "s") -> dict[str, HandlerVersion]:
    return {"ship": HandlerVersion(version=version, source=source, accepts=list(accepts))}


def test_equal_versions_and_sources_are_no_change() -> None:
    changes = compare_versions(noted("1"), noted("1"))
    assert changes == Changes()
    assert (changes.sets_aside, changes.reasons) == (False, [])


def test_another_source_is_worth_a_note_and_nothing_more() -> None:
    changes = compare_versions(noted(source="one"), noted(source="two"))
    assert (changes.sources, changes.sets_aside) == (("ship",), False)


@pytest.mark.parametrize(
    ("recorded", "now", "goes_on"),
    [
        (noted("1"), noted("2"), False),
        (noted("1"), noted("2", "1"), True),
        (noted("1"), noted("3", "2"), False),
        (noted("2"), noted("1"), False),  # an older program
        (noted("2", "1"), noted("1"), False),  # what the older one accepted says nothing
        (noted("1"), noted(None), False),
        (noted(None), noted("2"), True),
        (noted(None), noted("2", "1"), True),
    ],
)
def test_a_noted_version_must_be_there_or_be_accepted(
    recorded: dict[str, HandlerVersion], now: dict[str, HandlerVersion], goes_on: bool
) -> None:
    assert compare_versions(recorded, now).sets_aside is not goes_on


def test_a_refusal_names_the_type_both_versions_and_the_way_out() -> None:
    (why,) = compare_versions(noted("1"), noted("3", "2")).reasons
    assert why == (
        "'ship' was version '1' when the run was started, and is version '3' now and accepts '2': write accepts=['1']"
        " if it can go on with such runs, or start it anew by another id"
    )
    (why,) = compare_versions(noted("1"), noted()).reasons
    assert "says no version now: write" in why


def test_a_type_that_is_gone_sets_the_run_aside_and_a_new_one_does_not() -> None:
    changes = compare_versions(noted(), {})
    assert (changes.gone, changes.sets_aside) == (("ship",), True)
    assert changes.reasons == ["'ship' is gone: bring the handler back, or start it anew by another id"]
    assert compare_versions({}, noted()) == Changes()
