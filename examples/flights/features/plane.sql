-- The aeroplane; timeless facts, known from the beginning.
select tailnum, timestamp '1900-01-01' as occurred_at, timestamp '1900-01-01' as known_at, year as plane_year, seats, engines
from planes
