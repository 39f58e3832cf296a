"""The agent as the source document describes it, from Debian's packages: FastAPI under uvicorn, the rows later than
`since` as JSON Lines, compressed whole, answered over TLS. What bench_export.py compares with.

Usage: seed_stack.py STORE PORT CERT KEY"""

import datetime
import gzip
import json
import sqlite3
import sys

import fastapi
import uvicorn

EPOCH = datetime.datetime(1970, 1, 1)
app = fastapi.FastAPI()


def export(since_us, path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    rows = db.execute("select r.seq, r.time_us, c.name, r.value from readings r join channels c using (channel_id) "
                      "where r.time_us > ?", (since_us,))
    lines, end = [], None
    for seq, time_us, channel, value in rows:
        end = (EPOCH + datetime.timedelta(microseconds=time_us)).isoformat() + "Z"
        lines.append(json.dumps({"seq": seq, "time": end, "channel": channel, "value": value}))
    return gzip.compress(("\n".join(lines) + "\n").encode()), len(lines), end


@app.get("/data/export")
def data_export(since: int = 0):
    body, count, end = export(since, sys.argv[1])
    return fastapi.Response(body, media_type="application/gzip",
                            headers={"X-Record-Count": str(count), "X-Period-End": str(end)})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), ssl_certfile=sys.argv[3], ssl_keyfile=sys.argv[4],
                log_level="warning")
