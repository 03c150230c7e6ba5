"""MLflow's own client of its scoring server, and requests, against a data plane. Run: scoring.py URL MODEL_SERVER_PORT."""

import datetime
import io
import math
import sys
from urllib.parse import urlparse

import pandas as pd
import requests
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

url = sys.argv[1]
place = urlparse(url)
checks = 0


def check(what, found, expected):
    global checks
    if found != expected:
        sys.exit(f"{what}: {found!r} is not {expected!r}")
    checks += 1


client = ScoringServerClient(place.hostname, place.port)
client.wait_server_ready(timeout=20)
frame = pd.DataFrame({"id": [9007199254740993, 2], "x": [0.5, math.nan], "word": ["ü", "b"], "yes": [True, False]})
expected = [
    {"id_out": 9007199254740993, "x_out": 0.5, "word_out": "ü", "yes_out": True},
    {"id_out": 2, "x_out": None, "word_out": "b", "yes_out": False},
]
check("ScoringServerClient", client.invoke(frame).get_predictions().to_dict(orient="records")[0], expected[0])
check("with parameters", len(client.invoke(frame, params={"k": 1}).get_predictions()), 2)
check("version", requests.get(f"{url}/version").status_code, 200)
check("ping", (requests.get(f"{url}/ping").status_code, requests.get(f"{url}/health").status_code), (200, 200))

records = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
for body in (
    {"dataframe_split": frame.astype(object).where(frame.notna(), None).to_dict(orient="split")},
    {"dataframe_records": records},
    {"instances": records},
    {"inputs": {name: [record[name] for record in records] for name in frame.columns}},
):
    reply = requests.post(f"{url}/invocations", json=body)
    check(next(iter(body)), (reply.status_code, reply.json().get("predictions")), (200, expected))

for index in (True, False):
    text = io.StringIO()
    frame.to_csv(text, index=index)
    headers = {"Content-Type": "text/csv; charset=utf-8"}
    reply = requests.post(f"{url}/invocations", data=text.getvalue().encode(), headers=headers)
    check("csv", (reply.status_code, reply.json().get("predictions")), (200, expected))

reply = requests.post(f"{url}/invocations", json={"inputs": {"id": [1]}})
check("a fault", (reply.status_code, reply.json()["error_code"]), (400, "INVALID_PARAMETER_VALUE"))
reply = requests.post(f"{url}/invocations", data="x", headers={"Content-Type": "application/json; charset=latin1"})
check("charset", (reply.status_code, reply.text), (415, "The scoring server only supports UTF-8"))
reply = requests.post(f"{url}/invocations", data=datetime.date.today().isoformat())
check("no type", reply.status_code, 415)
print(f"passed {checks}")
