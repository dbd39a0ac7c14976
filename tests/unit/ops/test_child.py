"""A child's log is kept short."""

from pathlib import Path

from ops.child import Child, rotate_log


def quiet(log: Path) -> Child:
    return Child("quiet", ["true"], log, is_ready=lambda: True)


def test_a_long_log_is_set_aside_and_its_writer_goes_on_at_the_start_of_the_emptied_file(tmp_path: Path) -> None:
    log = tmp_path / "quiet.log"
    with log.open("ab") as writer:
        writer.write(b"x" * 10_000_001)
        writer.flush()
        quiet(log).bound_log()
        writer.write(b"next")
    assert log.read_bytes() == b"next"
    assert (tmp_path / "quiet.log.1").stat().st_size == 10_000_001


def test_a_short_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "quiet.log"
    log.write_text("few words")
    quiet(log).bound_log()
    assert quiet(log).last_words() == "few words"


def test_a_new_run_begins_a_new_log_and_keeps_the_one_before(tmp_path: Path) -> None:
    log = tmp_path / "quiet.log"
    log.write_text("yesterday")
    rotate_log(log)
    assert not log.exists()
    assert (tmp_path / "quiet.log.1").read_text() == "yesterday"
