// A sitecustomize module that tells which files a Python process opens. It writes a line per file, when the
// file is opened for the first time; everything it does is invisible to the script and fails silently.
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

// Names begin with underscores because Gyre refuses unknown GYRE_* names, and a script may call gyre.
export const RECORD = '__GYRE_OPENED';
export const ROOTS = '__GYRE_ROOTS';
export const LINE_BUFFERED = '__GYRE_LINE_BUFFERED';
/** Files that one process tells of at most. */
export const MOST_FILES = 20_000;

const SHIM = `import os as _os, sys as _sys


def _watch():
    record = _os.environ.get("${RECORD}")
    if not record or not hasattr(_sys, "addaudithook"):
        return
    roots = tuple(_os.environ.get("${ROOTS}", "").split(_os.pathsep))
    folders = tuple(root.rstrip("/") + "/" for root in roots)
    skipped = tuple(
        p + "/" for p in {_sys.prefix, _sys.base_prefix, _os.path.dirname(record)} if p and p != "/"
    )
    seen = set()
    known = set()
    codes = (".py", ".pyc", ".so", ".pyi")
    abspath, fspath, fsdecode, stat = _os.path.abspath, _os.fspath, _os.fsdecode, _os.stat
    flags = _os.O_WRONLY | _os.O_CREAT | _os.O_APPEND | getattr(_os, "O_CLOEXEC", 0)
    writes = _os.O_WRONLY | _os.O_RDWR
    os_open, os_write, os_close, getpid = _os.open, _os.write, _os.close, _os.getpid
    from _thread import get_ident

    # Threads that are telling just now: what they open for it is not told.
    busy = set()

    def tell(line):
        handle = os_open(record, flags, 0o600)
        try:
            os_write(handle, line)
        finally:
            os_close(handle)

    def note(path, mode):
        path = abspath(fsdecode(path))
        how = "w" if isinstance(mode, int) and mode & writes else "r"
        if (how, path) in seen or not (path in roots or path.startswith(folders)) or path.startswith(skipped):
            return
        if len(seen) >= ${MOST_FILES}:
            return
        seen.add((how, path))
        size = modified = -1
        if how == "r":
            found = stat(path)
            size, modified = found.st_size, found.st_mtime_ns
        escaped = path.encode("utf-8", "surrogateescape").hex()
        tell(("%s %d %d %d %s\\n" % (how, getpid(), size, modified, escaped)).encode())
        if len(seen) == ${MOST_FILES}:
            tell(("full %d\\n" % getpid()).encode())

    def hook(event, args):
        if event != "open":
            if event == "os.chdir":
                known.clear()
            return
        path, _, mode = args
        if type(path) is not str:
            if type(path) is int:
                return
        elif (path, mode) in known or path.endswith(codes):
            return
        elif len(known) < ${MOST_FILES}:
            # Opened again and again, a file costs one look into a set.
            known.add((path, mode))
        me = get_ident()
        if me in busy:
            return
        busy.add(me)
        try:
            note(fspath(path), mode)
        except BaseException:
            pass
        finally:
            busy.discard(me)

    version = "%d.%d.%d" % _sys.version_info[:3]
    fields = (_sys.executable or "", version, _sys.prefix)
    tell(("python %d %s\\n" % (getpid(), " ".join(f.encode().hex() or "-" for f in fields))).encode())
    _sys.addaudithook(hook)


def _lines():
    pipe = _os.environ.get("${LINE_BUFFERED}")
    if pipe and _sys.stdout and str(_os.fstat(1).st_ino) == pipe and not _os.environ.get("PYTHONUNBUFFERED"):
        _sys.stdout.reconfigure(line_buffering=True)


for _part in (_watch, _lines):
    try:
        _part()
    except BaseException:
        pass

_here = _os.path.dirname(_os.path.abspath(__file__))
_sys.path[:] = [p for p in _sys.path if _os.path.abspath(p) != _here]
from importlib.machinery import PathFinder as _Finder

_spec = _Finder.find_spec("sitecustomize", _sys.path)
if _spec is not None and _spec.loader is not None:
    # The sitecustomize that would have been found without this one takes its place.
    from importlib.util import module_from_spec as _module

    _theirs = _module(_spec)
    _sys.modules["sitecustomize"] = _theirs
    _spec.loader.exec_module(_theirs)
`;

/** Writes the module into a folder, and answers what a Python process must see to find it. */
export function pythonShim(
  dir: string,
  env: Readonly<Record<string, string | undefined>>,
  { roots, inputs, stdoutInode }: { readonly roots: readonly string[]; readonly inputs: boolean; readonly stdoutInode: string | null },
): Record<string, string> {
  const folder = join(dir, 'python');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'sitecustomize.py'), SHIM);
  return {
    PYTHONPATH: env.PYTHONPATH ? `${folder}${delimiter}${env.PYTHONPATH}` : folder,
    ...(inputs ? { [RECORD]: recordIn(dir), [ROOTS]: roots.join(delimiter) } : {}),
    ...(stdoutInode === null ? {} : { [LINE_BUFFERED]: stdoutInode }),
  };
}

export const recordIn = (dir: string): string => join(dir, 'opened');

/** A file when it was first opened, in the order of opening. */
export interface Opened {
  readonly path: string;
  readonly how: 'r' | 'w';
  /** As they were then; null where nobody looked. */
  readonly size: number | null;
  readonly modifiedNs: bigint | null;
  /** Who saw it: Python itself, or the list of open files. */
  readonly seenBy: 'python' | 'proc';
}

export interface PythonProcess {
  readonly pid: number;
  readonly executable: string;
  readonly version: string;
  readonly prefix: string;
}

const fromHex = (hex: string | undefined): string => (hex === undefined || hex === '-' ? '' : Buffer.from(hex, 'hex').toString('utf8'));

/** What the modules of all processes told. A line that was cut off by a kill is left out. */
export function readRecord(text: string): { opened: Opened[]; pythons: PythonProcess[]; full: boolean } {
  const opened: Opened[] = [];
  const pythons: PythonProcess[] = [];
  let full = false;
  for (const line of text.split('\n').slice(0, -1)) {
    const [kind, pid, ...rest] = line.split(' ');
    if (kind === 'python')
      pythons.push({ pid: Number(pid), executable: fromHex(rest[0]), version: fromHex(rest[1]), prefix: fromHex(rest[2]) });
    else if (kind === 'full') full = true;
    else if ((kind === 'r' || kind === 'w') && rest.length === 3) {
      const looked = rest[0] !== '-1';
      opened.push({
        path: fromHex(rest[2]),
        how: kind,
        size: looked ? Number(rest[0]) : null,
        modifiedNs: looked ? BigInt(rest[1]!) : null,
        seenBy: 'python',
      });
    }
  }
  return { opened, pythons, full };
}
