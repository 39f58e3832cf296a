"""The pages as they are served: types, gzip for who takes it, and an ETag for each form."""

import pytest
from portal_root import PortalRoot


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    root = PortalRoot(tmp_path_factory.mktemp("pages") / "root").start()
    yield root.client()
    root.clear()


def get(portal, path, encoding="identity", **headers):
    """The bytes as they were sent."""
    with portal.stream("GET", path, headers={"Accept-Encoding": encoding, **headers}) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize("path, kind", [("/", "text/html"), ("/app.js", "text/javascript"), ("/ru.js", "text/javascript"),
                                        ("/common/theme.css", "text/css"), ("/common/mark.svg", "image/svg+xml"),
                                        ("/dygraphs/dygraph.min.js", "text/javascript")])
def test_a_page_is_the_same_packed_and_plain(portal, path, kind):
    plain, sent = get(portal, path)
    packed, fewer = get(portal, path, "br, gzip")
    assert plain.status_code == packed.status_code == 200
    assert plain.headers["Content-Type"].partition(";")[0] == kind
    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert portal.get(path, headers={"Accept-Encoding": "gzip"}).content == sent
    assert path == "/common/mark.svg" or len(fewer) < 0.6 * len(sent)


@pytest.mark.parametrize("encoding", ["identity", "gzip;q=0", "gzip; q=0.000", "br"])
def test_who_does_not_take_gzip_gets_none(portal, encoding):
    assert "Content-Encoding" not in get(portal, "/app.js", encoding)[0].headers


@pytest.mark.parametrize("encoding", ["gzip", "gzip;q=0.5", "deflate, gzip, br"])
def test_who_takes_gzip_gets_it(portal, encoding):
    assert get(portal, "/app.js", encoding)[0].headers["Content-Encoding"] == "gzip"


def test_what_is_known_is_not_sent_again(portal):
    for encoding in ("identity", "gzip"):
        tag = get(portal, "/app.js", encoding)[0].headers["ETag"]
        answer, sent = get(portal, "/app.js", encoding, **{"If-None-Match": f'"other", {tag}'})
        assert (answer.status_code, sent) == (304, b"")
        assert get(portal, "/app.js", encoding, **{"If-None-Match": '"other"'})[0].status_code == 200
