// node build.mjs [FOLDER]: bundles the page into FOLDER (default: dist).
import { build } from "esbuild";
import { copyFile, mkdir } from "node:fs/promises";

const folder = process.argv[2] ?? "dist";
await mkdir(folder, { recursive: true });
await build({
  entryPoints: ["src/viewer.ts", "src/viewer.css"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "eof",
  outdir: folder,
});
await copyFile("src/index.html", `${folder}/index.html`);
await copyFile("src/favicon.svg", `${folder}/favicon.svg`);
