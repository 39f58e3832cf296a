"""`sync_client import`: archives again, and archives of others."""

import json
import shutil

import telehaul
from fake_agent import make_readings
from sync_home import ROWS, expected


# ---- import ----

def test_import_changes_nothing_the_second_time(agent, home, tmp_path):
    home.sync(agent, "--db", "none")
    [archive] = home.archives()
    base = tmp_path / "other.db"
    first = json.loads(telehaul.run("sync_client", "import", archive, "--db", base, "--json").stdout)
    assert (first["imported"], first["added"]) == (ROWS, ROWS)
    again = json.loads(telehaul.run("sync_client", "import", archive, archive, "--db", base, "--json").stdout)
    assert (again["files"], again["imported"], again["added"]) == (2, 2 * ROWS, 0)
    assert home.rows(db=base) == expected(agent.rows)
    telehaul.run("sync_client", "import", archive, "--db", base, "--client-id", "m9")
    assert home.rows("m9", db=base) == expected(agent.rows)


def test_import_over_a_gap_leaves_the_cursor(agent, home):
    home.sync(agent, "--db", "none")
    agent.rows += make_readings(10, ROWS + 1)
    later = home.sync(agent, "--db", "none").result["archives"][0]
    shutil.move(later, home.folder / "later.gz")
    shutil.move(later.replace(".gz", ".json"), home.folder / "later.json")
    for path in home.archives():
        path.unlink()
        path.with_suffix(".json").unlink()
    telehaul.run("sync_client", "import", home.folder / "later.gz", "--data-storage", home.folder)
    assert home.rows() == expected(agent.rows[-10:])
    assert home.sync(agent).result["records"] == ROWS + 10
    assert home.rows() == expected(agent.rows)


def test_import_of_what_is_no_archive(tmp_path):
    words = tmp_path / "words.gz"
    words.write_text("words")
    base = tmp_path / "central.db"
    telehaul.run("sync_client", "import", words, "--db", base, "--client-id", "m1", check=5)
    telehaul.run("sync_client", "import", tmp_path / "none.gz", "--db", base, "--client-id", "m1", check=1)
