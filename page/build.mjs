/** Bundles the page into the Python package, with the licences of what is in it. */

import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const OUT = "../wav2vec2_tf/serving/page";

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });

const { metafile } = await build({
  entryPoints: ["src/page.ts", "src/pcm-worklet.ts", "src/page.css"],
  outdir: OUT,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  loader: { ".svg": "dataurl" },
  legalComments: "none", // LICENSES.txt has all of them
  metafile: true,
});
await cp("src/index.html", `${OUT}/index.html`);
await cp("node_modules/bootstrap-icons/icons/soundwave.svg", `${OUT}/icon.svg`);
await writeFile(`${OUT}/LICENSES.txt`, await licences(Object.keys(metafile.inputs)));
await writeFile(`${OUT}/sources.sha256`, `${await digest()}\n`);

/** Returns the licences of all packages in the bundle. */
async function licences(files) {
  const packages = files
    .map((file) => file.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1])
    .concat("bootstrap-icons");
  const texts = [...new Set(packages.filter(Boolean))].sort().map(async (name) => {
    const folder = join("node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name}: no licence`);
    const text = await readFile(join(folder, file), "utf8");
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(72)}\n\n`);
}

/** Returns a digest of the sources of the bundle; tests/serving/test_page.py computes the same. */
async function digest() {
  const names = (await readdir("src")).map((name) => `src/${name}`);
  const hash = createHash("sha256");
  for (const name of ["build.mjs", "package-lock.json", "package.json", "tsconfig.json", ...names].sort())
    hash.update(`${name}\0`).update(await readFile(name)).update("\0");
  return hash.digest("hex");
}
