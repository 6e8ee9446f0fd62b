// The size of the core, as a page that uses all of it loads it: in one file, minified, compressed.
import { resolve } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const limit = 3 * 1024;
const bundle = await rolldown({ input: resolve(import.meta.dirname, "../dist/index.js") });
const { output } = await bundle.generate({ minify: true });
const code = output[0].code;
const brotli = brotliCompressSync(code).length;
console.log(`core: ${code.length} bytes, ${gzipSync(code, { level: 9 }).length} with gzip, ${brotli} with brotli`);
if (output.length > 1 || brotli > limit) {
  console.error(`at most ${limit} bytes with brotli`);
  process.exitCode = 1;
}
