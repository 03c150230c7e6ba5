// The caller's side: the flights of some days as an airport's own system would send them, read from the
// files and not from the server. Only what is known before the departure goes into a request.
import { DuckDBInstance } from '@duckdb/node-api';

export interface Flight {
  /** Two hours before the scheduled departure, microseconds. */
  readonly atUs: number;
  readonly inputs: {
    readonly flight_id: string;
    readonly carrier: string;
    readonly origin: string;
    readonly dest: string;
    readonly tailnum: string | null;
    readonly hour: number;
    readonly minute: number;
    readonly weekday: number;
    readonly distance: number;
  };
}

/** Flights that were not cancelled with a moment of prediction in [from, to), in the order of that moment. */
export async function readFlights(file: string, from: Date, to: Date): Promise<Flight[]> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(
    `with f as (
       select *, time_hour + to_minutes(minute::integer) - interval 2 hours as moment, make_date(year::bigint, month::bigint, day::bigint) as date
       from read_parquet($file) where dep_time is not null)
     select epoch_us(moment)::double as at_us, concat_ws('/', strftime(date, '%Y-%m-%d'), carrier, flight, origin, dest, sched_dep_time) as flight_id,
       carrier, origin, dest, tailnum, hour::integer as hour, minute::integer as minute, isodow(date)::integer as weekday, distance::integer as distance
     from f where moment >= $from::timestamp and moment < $to::timestamp order by moment, flight_id`,
    { file, from: from.toISOString().slice(0, 19), to: to.toISOString().slice(0, 19) },
  );
  const rows = reader.getRowObjectsJS() as unknown as ({ at_us: number } & Flight['inputs'])[];
  connection.closeSync();
  instance.closeSync();
  return rows.map(({ at_us, ...inputs }) => ({ atUs: at_us, inputs }));
}
