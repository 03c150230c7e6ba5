// A Parquet file that somebody sent and that cannot be read is a fault of the batch, not of a file on this server.
import { isProblem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';

/** Raises `batch-unreadable` where the file is no table. */
export async function orUnreadable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isProblem(error, 'compute-input-unreadable')) throw error;
    const why = String(error.params.why)
      .replace(/(?:in file|at end of file|file) *['"][^'"]*['"]/gi, '')
      .replace(/^(?:Invalid(?: Input)? Error|IO Error): */i, '')
      .split('\n')[0]!
      .replace(/ +/g, ' ')
      .trim();
    return fail('batch-unreadable', { why: `it is not a whole Parquet file (${why})` });
  }
}
