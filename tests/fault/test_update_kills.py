"""kill -9 of apply, recover, commit, undo, rollback and boot/start right before, within and after every call that changes
something on the disk, and once more of the recovery that follows; then a recovery that is left alone. The old version
runs or the new one, whole, on a schema that it runs on, with every reading (tests/harness/update_campaign.py:
Scenes.check).

`make soak` tries every point, and for each state that they leave every point of its recovery. Else a sample is tried,
each of its points with one kill of its recovery."""

import collections
import random
import re

import pytest
import recorder
from recorder import File
from update_campaign import GOES_ON_EVERY, NAMES, SEED, SOAK, Scenes, campaign, spread

SAMPLE = 300  # of all scenes together
WHEN = ("before", "half", "after")

Point = collections.namedtuple("Point", "scene when at again again_at")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, keys):
    return Scenes(tmp_path_factory.mktemp("kills") / "scenes", keys)


def kills(records):
    """half is of a write what before is of all others."""
    return [(when, record.number) for record in records for when in WHEN if when != "half" or record.kind == "write"]


def kill(scenes, point, root):
    done = recorder.run(scenes[point.scene].command(root), point.when, point.at)
    assert done.returncode == -9, f"it was not killed: {done.returncode} {done.stderr.decode()}"


def look_at_recovery(scenes, point):
    """What the kill has left, as far as a recovery can tell, and the calls of that recovery."""
    with scenes.placed(scenes[point.scene].tree) as root:
        kill(scenes, point, root)
        tree = recorder.take(root)
        log = root.parent / "log"
        recorder.run([recorder.telehaul.BIN / "updater", "--root", root, "recover"], log=log)
        return state_of(tree), kills(recorder.read_records(log))


def state_of(tree):
    """Times differ from run to run, and of what is half made a recovery sees the name only."""
    def look(name, entry):
        if not isinstance(entry, File):
            return entry
        if name.endswith((".tmp", "-shm")) or name.startswith(("backups/", "releases/.", "data/.")):
            return ""
        if name.endswith("-wal"):
            return len(entry.content)
        return re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"", entry.content)
    return frozenset((re.sub(r"_\d{8}_\d{6}\.zip", "", name), look(name, entry)) for name, entry in tree.items())


def attempt(scenes, point):
    """Returns which version ran in the end."""
    scene = scenes[point.scene]
    with scenes.placed(scene.tree) as root:
        kill(scenes, point, root)
        done = scenes.recover(root, point.again, point.again_at)
        assert done.returncode in (0, -9), done.stderr.decode()
        version = scenes.check(scene, root)
        if point.at % GOES_ON_EVERY == 0:
            scenes.goes_on(scene, root)
        return version


@pytest.mark.parametrize("name", NAMES)
def test_a_kill_leaves_one_version(scenes, name):
    choice = random.Random(SEED)
    everything = {each: kills(scenes.records(scenes[each])) for each in NAMES}
    first = [Point(name, *where, None, 0) for where in spread(everything, name, SAMPLE)]
    recoveries = campaign(f"recoveries of {name}", first, lambda point: look_at_recovery(scenes, point))
    if SOAK:
        states = {state: (point, again) for point, (state, again) in zip(first, recoveries)}
        points = [point._replace(again=when, again_at=at) for point, again in states.values() for when, at in again]
        points += [point._replace(again="after", again_at=0) for point in first]
    else:
        points = [point._replace(again=when, again_at=at) for point, (_state, again) in zip(first, recoveries)
                  for when, at in [choice.choice(again)]]
    ran = campaign(f"kills of {name}, {len(first)} of {len(everything[name])} places", points,
                   lambda point: attempt(scenes, point))
    assert set(ran) == set(scenes[name].ends), "the kills were not spread over the whole"
