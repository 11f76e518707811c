import errno
import logging
import math
from contextlib import contextmanager
from pathlib import Path

import pytest
import sweeping
from sweeping import Counting

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.records.run import EnvironmentRecord, Manifest, Owner
from nanobrag_torch.workbook.records.sweep import Point, SweepResults
from nanobrag_torch.workbook.report.folder import verify
from nanobrag_torch.workbook.running.publish import finish_orphans
from nanobrag_torch.workbook.sweeps import cluster, store, worker
from nanobrag_torch.workbook.sweeps.run import MIXED, Execution, resume, run


@pytest.fixture(scope="module")
def client():
    """A cluster of one thread of this process."""
    from distributed import Client, LocalCluster

    level = logging.getLogger("distributed").level
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as here,
        Client(here, set_as_default=False) as client,
    ):
        yield client
    logging.getLogger("distributed").setLevel(level)


@pytest.fixture
def project(tmp_path, monkeypatch, client):
    """A project whose sweeps are computed in this process."""

    @contextmanager
    def joined(*_):
        yield client, lambda process: "killed by signal 9"

    monkeypatch.setattr(cluster, "joined", joined)
    for name in ("notebooks", "reports", "plans"):
        (tmp_path / name).mkdir()
    (tmp_path / "scenario.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tell(*_):
    pass


def computed(points=6, evaluate=sweeping.evaluate, name="trial", **execution):
    return run(sweeping.specification(points, name), Execution(evaluate=evaluate, **execution), tell)


def test_a_sweep_leaves_a_report_with_a_row_for_each_point_that_passes_its_check(project):
    folder, verdict = computed()
    assert verdict.code == "complete" and folder.parent == project / "reports" / "sweep" / "trial"
    table = sweeping.table(folder)
    assert list(table["loss"]) == [sweeping.value(number) for number in range(6)] and set(table["status"]) == {"done"}
    assert verify(folder) == [] and not (folder / store.WORK).exists()
    manifest = files.read_record(folder / Manifest.file, Manifest)
    assert manifest.environment == files.read_record(folder / EnvironmentRecord.file, EnvironmentRecord)
    assert manifest.environment.threads == 1 and manifest.numbers["results.greatest.loss"].value == math.sqrt(5) / 3


def test_the_same_sweep_again_computes_nothing_unless_it_is_asked_for(project):
    folder, _ = computed()
    count = Counting()
    assert computed(evaluate=count)[0] == folder and count.calls == []
    other, _ = computed(evaluate=count, again=True)
    assert other != folder and count.calls == list(range(6))
    assert sweeping.table(other).equals(sweeping.table(folder))


def test_another_specification_under_the_same_name_is_another_report(project):
    assert computed(6)[0] != computed(7)[0]


def test_what_is_on_disk_is_not_computed_again_and_what_is_lacking_or_damaged_is(project):
    folder, _ = computed()
    whole = sweeping.table(folder)
    store.place(folder, 2).unlink()
    store.place(folder, 4).write_text('{"number": 4, "sta')
    store.place(folder, 5).write_bytes(store.place(folder, 1).read_bytes())
    count = Counting()
    again, verdict = resume(folder, Execution(evaluate=count), tell)
    assert again == folder and verdict.code == "complete" and sorted(count.calls) == [2, 4, 5]
    assert sweeping.table(folder).equals(whole) and verify(folder) == []


def test_points_that_failed_are_computed_again_only_by_the_word_of_the_user(project):
    folder, verdict = computed(evaluate=Counting({1: ValueError("one"), 3: ModuleNotFoundError("three")}))
    assert (verdict.code, verdict.status) == ("points_blocked", "blocked")
    table = sweeping.table(folder)
    assert list(table["status"]) == ["done", "failed", "done", "blocked", "done", "done"]
    assert table["cause"][1] == "ValueError: one" and table["cause"][3] == "ModuleNotFoundError: three"
    for retry, number, code in (("failed", 1, "points_blocked"), ("all", 3, "complete")):
        count = Counting()
        assert resume("trial", Execution(evaluate=count, retry=retry), tell)[1].code == code
        assert count.calls == [number]


def test_a_point_over_which_two_workers_died_is_set_aside_and_the_others_go_on(project, monkeypatch):
    begin = store.begin
    monkeypatch.setattr(store, "begin", lambda sweep, number: ("7 a", "8 a") if number == 3 else begin(sweep, number))
    folder, verdict = computed()
    point = store.read(folder, 3)
    assert verdict.code == "points_blocked" and (point.status, point.deaths) == ("blocked", 2)
    assert point.cause == "2 workers died while they computed it: killed by signal 9"
    assert files.read_record(folder / SweepResults.file, SweepResults).done == 5


def test_the_end_of_a_worker_is_counted_against_the_point_that_it_had_begun(tmp_path):
    assert store.begin(tmp_path, 5) == () and store.begun(tmp_path, 5) and not store.begun(tmp_path, 6)
    assert len(store.begin(tmp_path, 5)) == 1
    store.ended(tmp_path, 5)
    assert store.begin(tmp_path, 5) == ()


def test_an_interrupt_publishes_what_is_there_and_the_same_command_goes_on_in_place(project):
    class Stop:
        def __call__(self, done, *_):
            if done >= 3:
                raise KeyboardInterrupt

    folder, verdict = computed(30, progress=Stop())
    assert verdict.status == "interrupted" and verdict.remedy.endswith(
        f"sweep resume reports/sweep/trial/{folder.name}"
    )
    assert (folder / "status").read_text() == "interrupted\n" and verify(folder) == []
    there = {point.number for point in store.finished(folder)}
    count = Counting()
    again, verdict = computed(30, evaluate=count)
    assert again == folder and verdict.code == "complete" and not there & set(count.calls)
    assert list(sweeping.table(folder)["loss"]) == [sweeping.value(number) for number in range(30)]
    assert verify(folder) == [] and not (folder / "stated_verdict.json").exists()


def test_a_full_disk_ends_the_sweep_with_an_error_and_loses_no_point(project):
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        computed(evaluate=Counting({4: full}))
    (working,) = (project / "reports/sweep/trial").glob(".*.running")
    assert (working / "status").read_text() == "running\n"
    _end(working)
    folder, verdict = computed()
    assert verdict.code == "complete" and working.name == f".{folder.name}.running"


def _end(working: Path) -> None:
    """Let the record of a working folder name a process that has ended."""
    owner = files.read_record(working / Owner.file, Owner)
    owner.model_copy(update={"process": owner.process.model_copy(update={"started": 0.0})}).save(working, Owner.file)


def test_a_killed_sweep_is_left_to_be_gone_on_with_and_the_command_is_named(project):
    with pytest.raises(OSError):
        computed(evaluate=Counting({4: OSError(errno.ENOSPC, "No space left on device")}))
    (working,) = (project / "reports/sweep/trial").glob(".*.running")
    assert list(finish_orphans(project / "reports", project)) == []
    _end(working)
    ((name, words),) = finish_orphans(project / "reports", project)
    assert words == f"was killed, and goes on with: nanobrag-workbook sweep resume reports/sweep/trial/{name}"
    assert working.is_dir()


def test_a_sweep_that_another_process_computes_is_not_touched(project):
    with pytest.raises(OSError):
        computed(evaluate=Counting({4: OSError(errno.ENOSPC, "No space left on device")}))
    with pytest.raises(Blocked, match="is being computed by process"):
        computed()
    (working,) = (project / "reports/sweep/trial").glob(".*.running")
    owner = files.read_record(working / Owner.file, Owner)
    elsewhere = owner.process.model_copy(update={"host": "elsewhere"})
    owner.model_copy(update={"process": elsewhere}).save(working, Owner.file)
    with pytest.raises(Blocked, match="on elsewhere"):
        computed()
    # Nothing was heard of it since.
    (working / store.WORK / "heartbeat").unlink()
    assert computed()[1].code == "complete"


def test_a_change_since_the_sweep_began_is_named_before_anything_is_mixed(project):
    folder, _ = computed(evaluate=Counting({1: ValueError("one")}))
    changed = files.read_record(folder / EnvironmentRecord.file, EnvironmentRecord)
    changed = changed.model_copy(update={"versions": changed.versions | {"torch": "0.1"}})
    changed.save(folder)
    before = (folder / Manifest.file).read_bytes()
    with pytest.raises(InputError, match=r"torch .*, then 0\.1.*--mix"):
        computed(retry="failed")
    assert (folder / Manifest.file).read_bytes() == before
    again, verdict = computed(retry="failed", mix=True)
    assert again == folder and "mixed.txt" in verdict.sentence and "then 0.1" in (folder / MIXED).read_text()


def test_a_changed_file_of_the_target_is_named_while_points_are_open(project):
    first = sweeping.specification(4).model_copy(update={"inputs": {"scenario.json": "a"}})
    other = first.model_copy(update={"inputs": {"scenario.json": "b"}})
    folder, _ = run(first, Execution(evaluate=sweeping.evaluate), tell)
    assert run(other, Execution(evaluate=sweeping.evaluate), tell)[0] != folder
    store.place(folder.parent / max(path.name for path in folder.parent.glob("2*Z")), 1).unlink()
    with pytest.raises(InputError, match=r"scenario\.json changed"):
        run(first.model_copy(update={"inputs": {"scenario.json": "c"}}), Execution(), tell)


def test_workers_that_see_another_disk_block_the_sweep_and_leave_nothing(project, monkeypatch, client):
    monkeypatch.setattr(worker, "mark_disk", lambda sweep: "what nobody wrote")
    monkeypatch.setattr(worker, "_SHOWN_S", 0.0)
    with pytest.raises(Blocked, match=r"does not see .* --reports FOLDER"):
        computed()
    assert list((project / "reports/sweep/trial").glob("*Z*")) == []
    # The worker has looked for the probe of its other batch as well before it may wait for one again.
    assert client.submit(int, pure=False).result() == 0


def test_a_name_that_there_is_not_is_an_error_that_names_those_there_are(project):
    computed()
    with pytest.raises(InputError, match="allowed: the folder of a sweep, or a name: trial"):
        resume("trail", Execution(), tell)


def test_a_point_takes_what_it_found_through_its_file_unchanged(tmp_path):
    columns = {"loss": 0.1 + 0.2, "gradient": math.inf, "nothing": math.nan, "code": "healthy", "lit": 3, "none": None}
    store.write(tmp_path, Point(number=1234, status="done", columns=columns))
    (back,) = store.finished(tmp_path)
    assert math.isnan(back.columns.pop("nothing")) and columns.pop("nothing")
    assert back.columns == columns and store.place(tmp_path, 1234).parent.name == "0001"
