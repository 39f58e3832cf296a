"""The disk is full at every call of apply, recover, commit, undo and rollback that needs room: at that one, and from that
one on. Either it says so and the version that ran runs, or it was a convenience that was left out; after a recovery with
room nothing is half made and no reading is missing (the promise of test_update_kills.py). `make soak` tries every call;
else a sample."""

import collections

import pytest
import recorder
from update_campaign import NAMES, SEED, Scenes, campaign, spread

SAMPLE = 200  # of all scenes together

Point = collections.namedtuple("Point", "scene do at")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, keys):
    return Scenes(tmp_path_factory.mktemp("full") / "scenes", keys)


def points_of(scenes, name):
    return [Point(name, do, record.number) for record in scenes.records(scenes[name]) if record.kind in recorder.NEED_ROOM
            for do in ("full", "full_from")]


def runs(root):
    return (root / "current").readlink().name


def attempt(scenes, point):
    scene = scenes[point.scene]
    with scenes.placed(scene.tree) as root:
        before = runs(root)
        done = recorder.run(scene.command(root), point.do, point.at)
        assert done.returncode >= 0, f"it ended by signal {-done.returncode}"
        after = runs(root)
        if not scene.words:
            pass  # boot/start cannot refuse: it starts what there is, and counts on the next start
        elif done.returncode == 0:
            assert after == scene.end, f"it says that it is done, and {after} runs"
        elif scene.words == ("apply",) and after == before:
            assert done.stderr, "it says nothing"
            said = scenes.recover(root)
            assert said["state"] in ("failed", "pending", "approved"), f"never switched, and it is `{said['state']}`"
        version = scenes.check(scene, root)
        assert version == after, f"{after} ran, and after the recovery {version}"
        scenes.goes_on(scene, root)
        return done.returncode, version


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_leaves_one_version(scenes, name):
    everything = {each: points_of(scenes, each) for each in NAMES}
    points = spread(everything, name, SAMPLE)
    ended = campaign(f"full disks in {name}, {len(points)} of {len(everything[name])}", points,
                     lambda point: attempt(scenes, point))
    assert any(code != 0 for code, _version in ended) or name == "third start", f"nothing failed (TELEHAUL_SEED={SEED})"
