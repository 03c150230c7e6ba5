#!/bin/sh
# Makes a checkout ready to run: packages for Node, and on demand a Python environment and PostgreSQL.
# Says nothing when there is nothing to do, so every npm script calls it first.
#
#   sh scripts/set-up.sh [--python] [--mlflow-clients] [--oip-client] [--postgres]
#
# It starts with whatever Node the machine has; after it, npm scripts find Node 26 in node_modules/.bin.
set -eu

stop() {
  echo "Gyre: $1" >&2
  exit 1
}
say() { echo "Gyre: $1" >&2; }

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P)
cd -- "$root"
modules=$root/node_modules
cache=$root/.cache

# npm must not run on the very Node that it is about to replace.
system_path=
saved_ifs=$IFS
IFS=:
for entry in $PATH; do
  [ "$entry" = "$modules/.bin" ] || system_path=${system_path:+$system_path:}$entry
done
IFS=$saved_ifs
PATH=$system_path
export PATH

python=
clients=
oip=
while [ $# -gt 0 ]; do
  case $1 in
    --python) python=wanted ;;
    --mlflow-clients) python=wanted clients=wanted ;;
    --oip-client) python=wanted oip=wanted ;;
    --postgres) ;; # its binaries are packages of Node; they are put right below, whoever asks
    *) stop "set-up.sh does not know the flag \"$1\"; it takes --python, --mlflow-clients, --oip-client and --postgres." ;;
  esac
  shift
done

# --- What the machine has to bring ---------------------------------------------------------------------

node_version=$(node --version 2>/dev/null || true)
[ -n "$node_version" ] || stop 'Node 20 or newer is needed and no "node" that starts was found on this machine; install it from https://nodejs.org.'
node_major=${node_version#v}
[ "${node_major%%.*}" -ge 20 ] || stop "Node 20 or newer is needed and this machine has $node_version; install a newer one from https://nodejs.org."
command -v npm >/dev/null 2>&1 || stop 'npm is needed and was not found on this machine; it comes with Node from https://nodejs.org.'

# The interpreter that the server would choose too (src/domains/environments/realise.ts).
find_python() {
  for name in python3 python3.13 python3.12 python3.11 python3.10 python; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
      "$name" -c 'import sys; print(sys.executable)'
      return
    fi
  done
}
if [ -n "$python" ]; then
  python=$(find_python)
  if [ -z "$python" ]; then
    found=$(python3 --version 2>/dev/null || python --version 2>/dev/null || echo 'none')
    stop "Python 3.10 or newer is needed and this machine has ${found#Python }; install it with the machine's package manager or from https://www.python.org."
  fi
fi

# --- Packages for Node ---------------------------------------------------------------------------------

# A stamp inside node_modules says which lock they were installed from; it goes when the folder goes.
stamp=$modules/.installed-from
wanted=$(cksum <package-lock.json)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
  say 'installing packages for Node (once; about a minute) ...'
  # Without this onnxruntime-node fetches several hundred megabytes of CUDA libraries that nothing here uses.
  ONNXRUNTIME_NODE_INSTALL=skip npm ci --loglevel=error --no-progress >/dev/null ||
    stop 'npm could not install the packages; what it said stands above. Is the package registry within reach?'
  # npm 10 takes this link away again when it leaves out the packages for other machines, which have the same one.
  for binary in "$modules"/node-*/bin/node; do
    [ -e "$modules/.bin/node" ] || [ ! -e "$binary" ] || ln -s "../${binary#"$modules/"}" "$modules/.bin/node"
  done
  "$modules/.bin/node" --version >/dev/null 2>&1 ||
    stop "there is no Node 26 for this machine ($(uname -s) $(uname -m)) among the packages; Linux and macOS on x64 and arm64 are covered."
  # Symbolic links cannot travel in a package, and its own install script may be switched off.
  "$modules/.bin/node" --no-warnings scripts/set-up/link-postgres.ts
  echo "$wanted" >"$stamp"
fi

[ -n "$python" ] || exit 0

# --- Python: the environment of the tests, from the example's lock, and one for each client ----------

UV_CACHE_DIR=$cache/uv
PIP_CACHE_DIR=$cache/pip
UV_PYTHON_DOWNLOADS=never
UV_NO_PROGRESS=1
export UV_CACHE_DIR PIP_CACHE_DIR UV_PYTHON_DOWNLOADS UV_NO_PROGRESS
mkdir -p "$cache"

# The server takes uv from PATH; scripts/environment.ts puts this folder there.
if command -v uv >/dev/null 2>&1; then
  uv=uv
else
  uv=$cache/uv-tool/bin/uv
  if ! "$uv" --version >/dev/null 2>&1; then
    say 'installing uv ...'
    rm -rf "$cache/uv-tool"
    quiet='--quiet --disable-pip-version-check --root-user-action=ignore'
    if "$python" -m pip --version >/dev/null 2>&1; then
      "$python" -m pip install $quiet --no-warn-script-location --target "$cache/uv-tool" uv || stop 'pip could not install uv; what it said stands above.'
    elif "$python" -m venv "$cache/uv-tool" >/dev/null 2>&1; then
      "$cache/uv-tool/bin/python" -m pip install $quiet uv || stop 'pip could not install uv; what it said stands above.'
    else
      stop "$python has neither pip nor venv; install one of them (on Debian and Ubuntu: apt install python3-venv), or uv."
    fi
  fi
fi

# An environment in the cache from a lock: install_environment NAME LOCK
install_environment() {
  venv=$cache/$1
  stamp=$venv/.installed-from
  wanted="$(cksum <"$2") $("$python" --version)"
  [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || return 0
  say "installing packages for Python into .cache/$1 (once; under a minute) ..."
  rm -rf "$venv"
  { "$uv" venv --quiet --python "$python" "$venv" &&
    "$uv" pip sync --quiet --python "$venv/bin/python" --require-hashes --only-binary :all: "$2"; } ||
    stop 'uv could not install the packages for Python; what it said stands above. Is the package index within reach?'
  echo "$wanted" >"$stamp"
}

# The example's is one of the server's own.
stamp=$cache/python/.installed-from
wanted="$(cksum <examples/flights/python/requirements.lock) $("$python" --version)"
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
  say 'installing packages for Python into .cache/python (once; under a minute) ...'
  "$modules/.bin/node" --no-warnings scripts/set-up/python.ts ||
    stop 'the packages for Python could not be installed; what was said stands above. Is the package index within reach?'
  echo "$wanted" >"$stamp"
fi
# Compiled as far as they are imported: most of it never is.
if [ -n "$oip" ]; then
  install_environment oip-client test/oip-client/python/requirements.lock
fi
[ -n "$clients" ] || exit 0
for version in 3 2; do
  install_environment "mlflow-$version" "test/mlflow-client/python/requirements-$version.lock"
done
