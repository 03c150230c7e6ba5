-- How the flights that left from this airport fared, over those that had landed: one row per landing, known then.
select origin, landed_utc as occurred_at, landed_utc as known_at,
  avg((arr_delay >= 15)::integer) over recent as origin_late_3h,
  avg((arr_delay >= 15)::integer) over fortnight as origin_late_14d,
  count(*) over recent as origin_landed_3h
from flights
where landed_utc is not null
window
  recent as (partition by origin order by landed_utc range between interval 3 hours preceding and current row),
  fortnight as (partition by origin order by landed_utc range between interval 14 days preceding and current row)
