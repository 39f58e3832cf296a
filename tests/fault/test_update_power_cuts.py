"""The power goes at every moment of apply, recover, commit, undo, rollback and boot/start, and what was not fsynced is lost,
or there in part, or out of order (tests/harness/power_cut.py: the model). The recorded calls are played back up to each
point; what the disk may then hold, in several ways, is put onto a real one and recovered: the promise of
test_update_kills.py.

`make soak` tries every point in every way; else a sample."""

import collections
import random

import pytest
import recorder
from power_cut import BY_CHOICE, WAYS, Disk
from recorder import without_inodes
from update_campaign import GOES_ON_EVERY, NAMES, PROBLEMS, SEED, SOAK, Scenes, campaign, spread

SAMPLE = 300  # of all scenes together
CHOICES = 6 if SOAK else 2  # of each way that leaves it to chance

Point = collections.namedtuple("Point", "scene at way seed")


class Recording:
    """One undisturbed run of a scene: where it began, its calls, and where it ended."""

    def __init__(self, scenes, name):
        with scenes.placed(scenes[name].tree) as root:
            self.first = Disk(root)
            log = root.parent / "log"
            done = recorder.run(scenes[name].command(root), log=log)
            assert done.returncode == scenes[name].code, done.stderr.decode()
            self.last = recorder.take(root)
            self.records = recorder.read_records(log)

    def disk_at(self, at):
        """As the program leaves it right after call at."""
        disk = self.first.copy()
        for record in self.records[:at]:
            disk.play(record)
        return disk


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, keys):
    return Scenes(tmp_path_factory.mktemp("cuts") / "scenes", keys)


@pytest.fixture(scope="module")
def recordings(scenes):
    return {name: Recording(scenes, name) for name in NAMES}


def points_of(recording, name):
    seeds = {way: range(SEED, SEED + CHOICES) if way in BY_CHOICE else [0] for way in WAYS}
    return [Point(name, at, way, seed) for at in range(len(recording.records) + 1) for way in WAYS for seed in seeds[way]]


def attempt(scenes, recording, point):
    scene = scenes[point.scene]
    tree = recording.disk_at(point.at).left(point.way, random.Random(f"{point.seed} {point.at}"))
    with scenes.placed(tree) as root:
        version = scenes.check(scene, root)
        if point.at % GOES_ON_EVERY == 0:
            scenes.goes_on(scene, root)
    assert point.at < len(recording.records) or version == scene.end, f"{version} runs after the end of {scene.name}"
    return version


@pytest.mark.parametrize("name", NAMES)
def test_the_records_are_all_there_is(recordings, name):
    """Played back without a cut they make the very tree that the program has left: the recorder misses nothing."""
    def comparable(tree):
        return {name: entry for name, entry in without_inodes(tree).items() if not name.endswith("-shm")}
    recording = recordings[name]
    played = recording.disk_at(len(recording.records)).left("everything", random.Random(SEED))
    assert comparable(played) == comparable(recording.last)


@pytest.mark.parametrize("name", NAMES)
def test_a_power_cut_leaves_one_version(scenes, recordings, name):
    everything = {each: points_of(recordings[each], each) for each in NAMES}
    points = spread(everything, name, SAMPLE)
    recording = recordings[name]
    ran = campaign(f"power cuts in {name}, {len(points)} of {len(everything[name])}", points,
                   lambda point: attempt(scenes, recording, point))
    assert set(ran) == set(scenes[name].ends), "the cuts were not spread over the whole"


def test_without_fsync_versions_would_be_lost(scenes, recordings):
    """The model bites: with the same calls but their fsyncs, cuts break the promise."""
    recording = recordings["apply"]
    unsafe = [record for record in recording.records if record.kind != "sync"]
    disk = recording.first.copy()
    for record in unsafe:
        disk.play(record)
    broken = 0
    for way in WAYS:
        with scenes.placed(disk.left(way, random.Random(SEED))) as root:
            try:
                scenes.check(scenes["apply"], root)
            except PROBLEMS:
                broken += 1
    assert broken >= 2  # names without content, and names with zeros
