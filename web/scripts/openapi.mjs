// Writes the hub's OpenAPI document to where `npm run types` reads it. PYTHON names the interpreter.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const python = process.env.PYTHON ?? `${root}.venv/bin/python`;
const made = spawnSync(python, ["-m", "tukur.hub.api.openapi"], {
  env: { ...process.env, PYTHONPATH: `${root}src` },
  encoding: "utf8",
  maxBuffer: 64 * 1024 * 1024,
});
if (made.status !== 0) {
  console.error(`${python} -m tukur.hub.api.openapi failed:\n${made.stderr ?? made.error}`);
  process.exit(1);
}
const folder = `${root}web/node_modules/.cache`;
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}/openapi.json`, made.stdout);
