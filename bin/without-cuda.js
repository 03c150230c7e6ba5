// Runs before the install scripts of the dependencies. onnxruntime-node would fetch several hundred megabytes
// of CUDA libraries from another registry, and fail where that is out of reach. Gyre predicts on the CPU and
// never loads them; that script leaves alone what is there already. With ONNXRUNTIME_NODE_INSTALL set, the
// user has decided, and `npm rebuild onnxruntime-node` fetches them later.
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

if (process.platform === 'linux' && process.arch === 'x64' && !process.env.ONNXRUNTIME_NODE_INSTALL) {
  try {
    const folder = join(createRequire(import.meta.url).resolve('onnxruntime-node'), '../../bin/napi-v6/linux/x64');
    for (const name of ['cuda', 'shared', 'tensorrt']) {
      const file = join(folder, `libonnxruntime_providers_${name}.so`);
      if (!existsSync(file)) writeFileSync(file, '');
    }
  } catch {
    // Not installed yet, or not writable: then the package does what it would have done anyway.
  }
}
