-- The share of late arrivals by carrier, over the flights that had landed: one row per landing, known then.
select carrier, landed_utc as occurred_at, landed_utc as known_at,
  avg((arr_delay >= 15)::integer) over recent as carrier_late_6h,
  avg((arr_delay >= 15)::integer) over fortnight as carrier_late_14d
from flights
where landed_utc is not null
window
  recent as (partition by carrier order by landed_utc range between interval 6 hours preceding and current row),
  fortnight as (partition by carrier order by landed_utc range between interval 14 days preceding and current row)
