// The caller's side: the flights of a month as an airport's own system would send them, and what became of
// them, read from the files and not from the server. Only what is known before the departure goes into a
// request; an outcome is known when the flight has landed.
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

export interface Flight {
  /** Two hours before the scheduled departure, microseconds. */
  readonly atUs: number;
  /** When it landed; null = it never arrived where it was going. */
  readonly landedUs: number | null;
  readonly late: boolean | null;
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
export async function readFlights(project: string, files: readonly string[], from: Date, to: Date): Promise<Flight[]> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
  // The project's own SQL derives departure and landing in UTC from the airports' local clocks.
  const sql = readFileSync(join(project, 'features/flights.sql'), 'utf8');
  await connection.run(`set timezone = 'UTC'`);
  await connection.run(`create view flights_raw as select * from read_parquet([${files.map(text).join(', ')}])`);
  await connection.run(`create view airports as select * from read_parquet(${text(join(project, 'data/airports.parquet'))})`);
  const reader = await connection.runAndReadAll(
    `with f as (select *, sched_dep_utc - interval 2 hours as moment from (${sql}) where dep_delay is not null)
     select epoch_us(moment)::double as at_us, epoch_us(landed_utc)::double as landed_us, arr_delay >= 15 as late, flight_id,
       carrier, origin, dest, tailnum, hour::integer as hour, minute::integer as minute, weekday, distance::integer as distance
     from f where moment >= $from::timestamp and moment < $to::timestamp order by moment, flight_id`,
    { from: from.toISOString().slice(0, 19), to: to.toISOString().slice(0, 19) },
  );
  const rows = reader.getRowObjectsJS() as unknown as ({
    at_us: number;
    landed_us: number | null;
    late: boolean | null;
  } & Flight['inputs'])[];
  connection.closeSync();
  instance.closeSync();
  return rows.map(({ at_us, landed_us, late, ...inputs }) => ({ atUs: at_us, landedUs: landed_us, late, inputs }));
}

export interface Label {
  readonly flight: Flight;
  readonly late: boolean;
  /** When the airport's system hears of it, microseconds. */
  readonly heardUs: number;
}

const DAY_US = 86_400_000_000;

/**
 * What an airport's system hears of a flight, and when. As in real life some reports come days late, some twice,
 * some are corrected and some never come; which ones is a matter of the flight's id, so that two rounds are alike.
 */
export function reportsOf(flight: Flight): Label[] {
  if (flight.landedUs === null || flight.late === null) return [];
  const share = Number.parseInt(hash('sha256', flight.inputs.flight_id, 'hex').slice(0, 8), 16) / 2 ** 32;
  const report = (delayDays: number, late = flight.late!): Label => ({ flight, late, heardUs: flight.landedUs! + delayDays * DAY_US });
  if (share < 0.01) return [];
  if (share < 0.04) return [report(3)];
  if (share < 0.06) return [report(0), report(1)];
  if (share < 0.062) return [report(0, !flight.late), report(2)];
  return [report(0)];
}
