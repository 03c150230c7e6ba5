// Names of artifacts as clients send them.
import { decodedFully } from '../../../../domains/tracking/public.ts';
import { invalid } from '../../wire.ts';

// A fragment, a backslash, a NUL, an absolute path or a part that is one, a drive or a scheme of files, a step upwards.
const BAD = /#|\\|\0|^\/|\/\/|^[A-Za-z]:|^file:|(^|\/)\.\.(\/|$)/i;

/**
 * The path as every reader would take it: with all layers of escapes taken off, so that nothing climbs for one who
 * decodes twice. Control characters become escapes again, as MLflow does it: its clients before 3 name images
 * `key%step%0%timestamp%1795…`, of which %17 is one. Refused in MLflow's words.
 */
export function safePath(path: string): string {
  const plain = decodedFully(path);
  if (plain === undefined || BAD.test(plain)) return invalid('Invalid path');
  return plain.replace(/\/$/, '').replaceAll(/[\x01-\x1f\x7f]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** A path that must name a file. */
export function safeFile(path: string): string {
  if (path.endsWith('/') && path !== '') return invalid("Artifact path must include a filename (cannot end with '/').");
  const plain = safePath(path);
  return plain === '' ? invalid('Invalid path') : plain;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const quoted = (text: string): string => (TOKEN.test(text) ? text : `"${text.replaceAll(/["\\]/g, (c) => `\\${c}`)}"`);

/** RFC 6266: always an attachment, its name in ASCII, and in full by RFC 5987 where that says less. */
export function attachment(name: string): string {
  const printable = name.replaceAll(/[\0-\x1f\x7f]/g, '_');
  if (/^[\x20-\x7e]*$/.test(printable)) return `attachment; filename=${quoted(printable)}`;
  const ascii =
    printable
      .normalize('NFKD')
      .replaceAll(/[^\x20-\x7e]/g, '')
      .trim() || 'download';
  const full = encodeURIComponent(printable.toWellFormed()).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename=${quoted(ascii)}; filename*=UTF-8''${full}`;
}
