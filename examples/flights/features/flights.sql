-- Scheduled departure and landing in UTC. `time_hour` is the scheduled hour in UTC; `arr_time` is the local
-- clock at the destination, on the day of departure or the day after. Four destinations are not in
-- airports.parquet; they keep Atlantic time (UTC-4) all year.
with departed as (
  select f.*,
    f.time_hour + to_minutes(f.minute::integer) as sched_dep_utc,
    f.time_hour + to_minutes(f.minute::integer + f.dep_delay::integer) as departed_utc,
    coalesce(a.tzone, case when f.dest in ('BQN', 'SJU', 'STT', 'PSE') then 'America/Puerto_Rico' end) as zone
  from flights_raw f left join airports a on a.faa = f.dest
),
arrived as (
  select *,
    -- The day at the destination when the flight left, with the clock time of the landing on it.
    date_trunc('day', timezone(zone, departed_utc::timestamptz)) + to_minutes((arr_time // 100) * 60 + arr_time % 100) as arrived_local,
    timezone(zone, departed_utc::timestamptz) as departed_local
  from departed
)
select concat_ws('/', strftime(make_date(year::bigint, month::bigint, day::bigint), '%Y-%m-%d'), carrier, flight, origin, dest, sched_dep_time) as flight_id,
  year, month, day, carrier, flight, tailnum, origin, dest, sched_dep_time, hour, minute,
  isodow(make_date(year::bigint, month::bigint, day::bigint))::integer as weekday,
  distance, dep_delay, arr_delay, air_time, sched_dep_utc,
  case when arr_delay is not null then
    -- Never before the wheels could have touched down, whatever the clocks say on a night of changing clocks.
    greatest(
      timezone(zone, arrived_local + case when arrived_local < departed_local then interval 1 day else interval 0 day end)::timestamp,
      departed_utc + to_minutes(air_time::integer))
  end as landed_utc
from arrived
