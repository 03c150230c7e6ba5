// Which imported callables are what. A pickle can name anything that can be imported, and reach attributes
// of it by dots; so what is not known to be harmless is unknown.
import type { Verdict } from './findings.ts';

// Modules whose functions run commands or code, open connections or change files.
const DANGEROUS_MODULES = new Set(
  `os posix nt posixpath ntpath subprocess sys shutil socket socketserver ssl select selectors asyncio signal ctypes _ctypes cffi mmap fcntl
  multiprocessing _thread pty tty commands popen2 platform runpy importlib imp pkgutil zipimport code codeop compileall py_compile dis
  bdb pdb cProfile profile trace timeit doctest unittest inspect gc atexit site sysconfig webbrowser antigravity urllib urllib2 http httplib
  ftplib telnetlib smtplib poplib imaplib nntplib xmlrpc wsgiref requests httpx aiohttp urllib3 paramiko fabric glob fileinput linecache
  pickle _pickle cPickle pickletools shelve dbm marshal sqlite3 venv ensurepip pip setuptools distutils resource pwd grp crypt getpass
  readline rlcompleter idlelib tkinter turtle builtins __builtin__ operator _operator bpython IPython ast _sitebuiltins nturl2path
  torch.hub torch.package torch._dynamo torch._inductor numpy.testing numpy.f2py numpy.distutils pandas.core.computation`.split(/\s+/),
);

// Of packages that are safe otherwise, what reads files or is not known well enough.
const UNKNOWN_MODULES = new Set(
  'torch.serialization torch.jit torch.utils pandas.io scipy.io sklearn.datasets joblib.externals'.split(' '),
);

// Of modules that are dangerous or unknown otherwise, the names that only make data.
const SAFE_NAMES: Readonly<Record<string, readonly string[]>> = {
  builtins:
    `object type set frozenset list dict tuple bytes bytearray str int float bool complex range slice Ellipsis NotImplemented NoneType
    Exception ValueError TypeError KeyError IndexError AttributeError RuntimeError StopIteration ArithmeticError zip enumerate reversed property staticmethod classmethod super len abs min max sum round sorted`.split(
      /\s+/,
    ),
  _codecs: ['encode'],
  codecs: ['encode'],
  copyreg: ['_reconstructor', '__newobj__', '__newobj_ex__'],
  copy_reg: ['_reconstructor', '__newobj__', '__newobj_ex__'],
  collections: ['OrderedDict', 'defaultdict', 'deque', 'Counter', 'ChainMap', 'UserDict', 'UserList'],
  'collections.abc': ['Mapping', 'Sequence'],
  datetime: ['datetime', 'date', 'time', 'timedelta', 'timezone', 'tzinfo'],
  zoneinfo: ['ZoneInfo', 'ZoneInfo._unpickle'],
  decimal: ['Decimal'],
  fractions: ['Fraction'],
  uuid: ['UUID', 'SafeUUID'],
  pathlib: ['Path', 'PosixPath', 'PurePath', 'PurePosixPath', 'WindowsPath', 'PureWindowsPath'],
  re: ['_compile', 'Pattern'],
  array: ['array', '_array_reconstructor'],
  enum: ['Enum', 'IntEnum', 'Flag'],
  random: ['Random'],
  types: ['SimpleNamespace', 'MappingProxyType'],
  operator: ['itemgetter'],
  string: ['Template'],
  ipaddress: ['IPv4Address', 'IPv6Address'],
  argparse: ['Namespace'],
  'joblib.numpy_pickle': ['NumpyArrayWrapper', 'NDArrayWrapper', 'ZNDArrayWrapper'],
};

// Packages that models are made of; what of them runs code is excluded by its name.
const SAFE_PACKAGES =
  `numpy scipy sklearn pandas lightgbm xgboost catboost statsmodels torch torchvision skops imblearn category_encoders pyarrow
  mlxtend patsy threadpoolctl spacy thinc tensorflow keras transformers tokenizers onnx prophet pmdarima sktime shap interpret`.split(
    /\s+/,
  );

const DANGEROUS_NAMES = new Set(
  `eval exec execfile compile __import__ getattr setattr delattr globals locals vars open input breakpoint help system popen spawn fork
  kill remove unlink rmtree load loads load_module import_module reload call check_call check_output Popen runstring read_pickle fromfile
  memmap DataSource tofile exec_command attrgetter methodcaller FunctionType CodeType LambdaType MethodType ModuleType os sys subprocess posix
  builtins __builtins__ shutil socket ctypes importlib runpy pickle _pickle marshal pty __globals__ __dict__ __class__ __bases__ __subclasses__
  __mro__ __code__ __self__ __func__ __loader__ __spec__ __reduce__ __reduce_ex__ __getattribute__ __build_class__ download urlopen
  urlretrieve`.split(/\s+/),
);

const rootsOf = (module: string): string[] => module.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.'));

/** What importing a module and calling `name` of it does. */
export function classify(named: string, name: string): Verdict {
  // What Python 2 called it, and protocols up to 2 still do.
  const module = named === '__builtin__' ? 'builtins' : named;
  if (Object.hasOwn(SAFE_NAMES, module) && SAFE_NAMES[module]!.includes(name)) return 'safe';
  const steps = name.split('.');
  const roots = rootsOf(module);
  if (roots.some((m) => DANGEROUS_MODULES.has(m)) || steps.some((s) => DANGEROUS_NAMES.has(s))) return 'dangerous';
  // It unpickles bytes that are not looked into.
  if (name === '_load_from_bytes' || roots.some((m) => UNKNOWN_MODULES.has(m))) return 'unknown';
  // Dots reach whatever the module has imported, so only names of classes are followed.
  const isPlain = steps.every((n, i) => /^\w+$/.test(n) && (i === 0 || /^[A-Z_]/.test(n)));
  return SAFE_PACKAGES.includes(roots[0]!) && isPlain ? 'safe' : 'unknown';
}
