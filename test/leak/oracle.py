"""What every feature has to be, worked out from the source files by brute force.

Nothing here is shared with the program under test: no SQL, no windows, no ASOF joins, no state carried from
one moment to the next. For a moment t all rows of an entity are looked at, and those known by t are kept.
Two modes, JSON on standard output:

    oracle.py served DATA --from T --to T --count N     requests worth asking, with the features they must get
    oracle.py table DATA ROWS --from T --to T --count N  rows of a training table, with what they must hold
"""

import argparse
import datetime as dt
import json
import random
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as pq

EPOCH = dt.datetime(1970, 1, 1)
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
BEGINNING = -2_208_988_800_000_000  # 1900-01-01
ATLANTIC = ZoneInfo("America/Puerto_Rico")
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
TTL = {"weather_hourly": 6 * HOUR, "carrier_late": 14 * DAY, "dest_late": 14 * DAY, "origin_late": 14 * DAY, "carrier_last": 3 * HOUR}


def us(moment):
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def parsed(text):
    return us(dt.datetime.fromisoformat(text))


def in_utc(local, zone):
    return us(local.replace(tzinfo=zone).astimezone(dt.timezone.utc).replace(tzinfo=None))


def read_flights(data):
    zones = {row["faa"]: row["tzone"] for row in pq.read_table(data / "airports.parquet").to_pylist()}
    flights = []
    for file in sorted((data / "flights").glob("*.parquet")):
        for row in pq.read_table(file).to_pylist():
            scheduled = row["time_hour"] + dt.timedelta(minutes=row["minute"])
            date = dt.date(row["year"], row["month"], row["day"])
            flight = {
                **row,
                "flight_id": f"{date}/{row['carrier']}/{row['flight']}/{row['origin']}/{row['dest']}/{row['sched_dep_time']}",
                "weekday": date.isoweekday(),
                "scheduled": us(scheduled),
                "landed": None,
            }
            if row["arr_delay"] is not None:
                zone = ZoneInfo(zones[row["dest"]]) if zones.get(row["dest"]) else ATLANTIC
                left = scheduled + dt.timedelta(minutes=row["dep_delay"])
                left_local = left.replace(tzinfo=dt.timezone.utc).astimezone(zone).replace(tzinfo=None)
                midnight = left_local.replace(hour=0, minute=0)
                arrived = midnight + dt.timedelta(minutes=row["arr_time"] // 100 * 60 + row["arr_time"] % 100)
                if arrived < left_local:
                    arrived += dt.timedelta(days=1)
                flight["landed"] = max(in_utc(arrived, zone), us(left) + row["air_time"] * MINUTE)
                flight["late"] = row["arr_delay"] >= 15
            flights.append(flight)
    return flights


def number(value):
    return None if value is None or value != value else value


class Group:
    """The flights of one carrier, destination or origin that landed; one array per column."""

    def __init__(self, flights):
        self.flights = flights
        self.landed = np.array([f["landed"] for f in flights])
        self.scheduled = np.array([f["scheduled"] for f in flights])
        self.late = np.array([f["late"] for f in flights])


class Oracle:
    def __init__(self, data):
        self.flights = read_flights(data)
        self.by = {}
        for key in ("carrier", "dest", "origin"):
            groups = {}
            for flight in self.flights:
                if flight["landed"] is not None:
                    groups.setdefault(flight[key], []).append(flight)
            self.by[key] = {value: Group(flights) for value, flights in groups.items()}
        self.weather = {}
        for row in pq.read_table(data / "weather.parquet").to_pylist():
            self.weather.setdefault(row["origin"], []).append((us(row["time_hour"]), {c: number(row[c]) for c in WEATHER}))
        self.hours = {origin: np.array([hour for hour, _ in rows]) for origin, rows in self.weather.items()}
        self.planes = {p["tailnum"]: p for p in pq.read_table(data / "planes.parquet").to_pylist()}

    def weather_hourly(self, origin, t):
        known = np.flatnonzero(self.hours[origin] + 10 * MINUTE <= t)
        if len(known) == 0:
            return None
        hour, values = self.weather[origin][known[np.argmax(self.hours[origin][known])]]
        return hour, hour + 10 * MINUTE, values

    def late_rate(self, key, value, t, spans, counted=None):
        """The rate as it stood at the newest landing known at t: over the flights that had landed by then."""
        group = self.by[key].get(value)
        if group is None or not (known := group.landed <= t).any():
            return None
        newest = int(group.landed[known].max())
        values = {}
        for name, span in spans.items():
            recent = group.late[known & (group.landed >= newest - span)]
            values[name] = int(recent.sum()) / len(recent)
            if counted and name == counted[0]:
                values[counted[1]] = len(recent)
        return newest, newest, values

    def carrier_last(self, carrier, t):
        """The delays of the flight that was scheduled last among those that had landed; what lands late is passed over."""
        group = self.by["carrier"].get(carrier)
        if group is None or not (known := group.landed <= t).any():
            return None
        newest = group.scheduled[known].max()
        known = [group.flights[i] for i in np.flatnonzero(known & (group.scheduled == newest))]
        text = lambda f: json.dumps([str(f["dep_delay"]), str(f["arr_delay"])], separators=(",", ":"))  # noqa: E731
        best = max(known, key=lambda f: (f["landed"], text(f)))
        return best["scheduled"], best["landed"], {"dep_delay": best["dep_delay"], "arr_delay": best["arr_delay"]}

    def plane(self, tailnum):
        found = self.planes.get(tailnum)
        return found and (BEGINNING, BEGINNING, {"plane_year": found["year"], "seats": found["seats"], "engines": found["engines"]})

    def features(self, r, t):
        facts = {
            "weather_hourly": self.weather_hourly(r["origin"], t),
            "carrier_late": self.late_rate("carrier", r["carrier"], t, {"carrier_late_6h": 6 * HOUR, "carrier_late_14d": 14 * DAY}),
            "dest_late": self.late_rate("dest", r["dest"], t, {"dest_late_6h": 6 * HOUR, "dest_late_14d": 14 * DAY}),
            "origin_late": self.late_rate(
                "origin", r["origin"], t, {"origin_late_3h": 3 * HOUR, "origin_late_14d": 14 * DAY}, ("origin_late_3h", "origin_landed_3h")
            ),
            "plane": self.plane(r["tailnum"]),
            "carrier_last": self.carrier_last(r["carrier"], t),
        }
        return {
            view: {"occurredAtUs": fact[0], "knownAtUs": fact[1], "values": fact[2]}
            if fact and (view not in TTL or fact[0] >= t - TTL[view])
            else None
            for view, fact in facts.items()
        }

    def kinds(self, r, t):
        """Why a moment is worth asking about."""
        group = self.by["carrier"][r["carrier"]]
        known = group.landed <= t
        landed, scheduled = group.landed[known], group.scheduled[known]
        facts = self.features(r, t)
        aging = [(TTL[view], t - fact["occurredAtUs"]) for view, fact in facts.items() if fact and view in TTL]
        return {
            "tie": known.any() and (landed == landed.max()).sum() > 1,
            "known at this moment": any(fact["knownAtUs"] == t for fact in facts.values() if fact),
            "late arrival": known.any() and scheduled[landed == landed.max()].max() < scheduled.max(),
            "still in the air": ((group.scheduled < t - 3 * HOUR) & (group.landed > t) & (group.landed < t + HOUR)).any(),
            "weather not yet known": t % HOUR < 10 * MINUTE,
            "at the edge of a TTL": any(0 <= limit - age < 30 * MINUTE for limit, age in aging),
            "beyond a TTL": any(facts[view] is None for view in TTL),
            "no plane": facts["plane"] is None,
        }


def request(f):
    return {k: f[k] for k in ("flight_id", "carrier", "origin", "dest", "tailnum", "hour", "minute", "weekday", "distance")}


def edges(oracle, like):
    """Moments at which a fact just becomes known, or is just too old, whatever flights there were."""
    asked = []

    def ask(moments, **keys):
        asked.extend((int(m), {**like, **keys}) for m in moments)

    for key, every in (("carrier", 1), ("dest", 8)):
        for value, group in sorted(oracle.by[key].items())[::every]:
            landed = np.unique(group.landed)
            newest = landed[-1] if key == "carrier" else landed[len(landed) // 2]
            quiet = [a for a, b in zip(landed, landed[1:]) if b - a > 14 * DAY]
            ask([m for a in {*quiet[:1], landed[-1]} for m in (a + 14 * DAY, a + 14 * DAY + 1)], **{key: value})
            ask([newest - 1, newest], **{key: value})
    for origin, hours in sorted(oracle.hours.items()):
        hours = np.unique(hours)
        gaps = [a for a, b in zip(hours, hours[1:]) if b - a >= 6 * HOUR]
        for hour in [*gaps[:1], hours[-1]]:
            ask([hour + shift for shift in (10 * MINUTE - 1, 10 * MINUTE, 6 * HOUR, 6 * HOUR + 1)], origin=origin)
    for carrier, group in sorted(oracle.by["carrier"].items()):
        newest = group.scheduled.max()
        ask([newest + 3 * HOUR, newest + 3 * HOUR + 1], carrier=carrier)
    return asked


def choose(oracle, flights, moment_of, count, seed):
    """Some of every kind first, then any."""
    order = random.Random(seed).sample(flights, min(len(flights), 4 * count))
    kinds = {f["flight_id"]: [k for k, true in oracle.kinds(f, moment_of(f)).items() if true] for f in order}
    chosen, found = {}, {}
    for f in order:
        if any(found.get(k, 0) < count // 16 for k in kinds[f["flight_id"]]):
            chosen[f["flight_id"]] = f
            for k in kinds[f["flight_id"]]:
                found[k] = found.get(k, 0) + 1
    for f in order[: count]:
        if len(chosen) < count:
            chosen[f["flight_id"]] = f
    return list(chosen.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["served", "table"])
    parser.add_argument("data", type=Path)
    parser.add_argument("rows", type=Path, nargs="?", help="the training table, for `table`")
    parser.add_argument("--from", dest="first", type=parsed, required=True)
    parser.add_argument("--to", dest="last", type=parsed, required=True)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    oracle = Oracle(args.data)
    moment_of = lambda f: f["scheduled"] - 2 * HOUR  # noqa: E731
    asked_for = [f for f in oracle.flights if args.first <= moment_of(f) < args.last]

    if args.mode == "served":
        replayed = choose(oracle, [f for f in asked_for if f["dep_time"] is not None], moment_of, args.count, args.seed)
        samples = [(moment_of(f), request(f), "replay") for f in replayed] + [(t, r, "edge") for t, r in edges(oracle, request(replayed[0]))]
        print(
            json.dumps(
                [
                    {
                        "from": source,
                        "kinds": [k for k, true in oracle.kinds(r, t).items() if true],
                        "atUs": t,
                        "inputs": r,
                        "expected": oracle.features({**r, "tailnum": r["tailnum"] or ""}, t),
                    }
                    for t, r, source in samples
                ]
            )
        )
        return

    # A row of the table for every flight whose outcome was known by the cut-off, and no other.
    due = {f["flight_id"]: f for f in asked_for if f["landed"] is not None and f["landed"] <= args.last}
    table = pq.read_table(args.rows).to_pylist()
    chosen = {f["flight_id"] for f in choose(oracle, list(due.values()), moment_of, args.count, args.seed)}
    rows = []
    for row in table:
        f = due.get(row["flight_id"])
        if f is None or row["flight_id"] not in chosen:
            continue
        expected = {"at_us": moment_of(f), "label": float(f["late"]), **request(f)}
        features = oracle.features(f, moment_of(f))
        names = {"weather_hourly": WEATHER, "plane": ["plane_year", "seats", "engines"], "carrier_last": ["dep_delay", "arr_delay"]}
        for view, fact in features.items():
            columns = names.get(view) or [c for c in row if c.startswith(view.split("_")[0] + "_late_") or (view == "origin_late" and c == "origin_landed_3h")]
            for column in columns:
                expected[column] = fact["values"][column] if fact else None
        got = {column: number(row[column]) for column in expected}
        rows.append({"id": row["flight_id"], "expected": expected, "got": got})
    ids = {row["flight_id"] for row in table}
    print(json.dumps({"rows": rows, "inTable": len(table), "due": len(due), "missing": len(due.keys() - ids), "extra": len(ids - due.keys())}))


if __name__ == "__main__":
    main()
